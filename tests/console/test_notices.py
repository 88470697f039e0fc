"""Which lines of the log become notices?"""

from __future__ import annotations

import logging

import pytest

from emailproxy.causes.base import Cause
from emailproxy.causes.lookup import groups
from emailproxy.console.messages import Notice
from emailproxy.console.notices import LONGEST, NoticeHandler, notice

CAUSES = sorted(
    {cause.advice: cause for causes in groups().values() for cause in causes}.values(), key=lambda c: c.name
)


def line(message: str, level: int = logging.WARNING, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("emailproxy.oauth", level, "", 0, message, (), None)
    vars(record).update(extra)
    return record


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_the_advice_of_every_cause_is_found(cause: Cause) -> None:
    assert notice(line(f"the provider said x -> {cause.advice}; and more")).advice == cause.advice


def test_words_with_an_arrow_are_no_advice() -> None:
    assert notice(line("a -> b")).advice is None


@pytest.mark.parametrize(
    ("record", "reference"),
    [
        (line("no login in time (ref 7F3A)"), "7F3A"),
        (line("login ref=7F3A: it failed"), "7F3A"),
        (line("login ref=0000: it failed", ref="7F3A"), "7F3A"),
        (line("href=7F3A"), None),
        (line("nothing"), None),
    ],
)
def test_references(record: logging.LogRecord, reference: str | None) -> None:
    assert notice(record).ref == reference


def test_a_long_line_is_cut() -> None:
    found = notice(line("x" * (LONGEST + 1)))
    assert (len(found.message), found.message[-4:]) == (LONGEST, "x...")


def test_only_what_matters_is_handed_on() -> None:
    found: list[Notice] = []
    log = logging.Logger("a")
    log.addHandler(NoticeHandler(found.append))
    log.info("not heard")
    log.error("heard")
    assert [(each.level, each.message) for each in found] == [("error", "heard")]
