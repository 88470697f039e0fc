"""The documentation has the rows that the code has; and what finds a row finds each."""

from __future__ import annotations

import pytest

from emailproxy.causes.base import Cause
from emailproxy.causes.lookup import cause_told, groups
from emailproxy.oauth.refusals import from_answer

from .page import PAGE, rendered

ROWS = [cause for causes in groups().values() for cause in causes]


def test_the_page_has_the_rows() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered(), "run: python -m tests.causes.page"


def test_names_are_unique() -> None:
    assert len({cause.name for cause in ROWS}) == len(ROWS)


@pytest.mark.parametrize("cause", ROWS, ids=lambda cause: cause.name)
def test_every_row_is_one_clean_sentence_with_a_source(cause: Cause) -> None:
    assert cause.source
    assert cause.advice.isprintable()
    assert cause.advice.isascii()
    assert not cause.advice.endswith((".", " "))
    assert "  " not in cause.advice


@pytest.mark.parametrize("number", [70043, 7000215, 9002346, 9002331, 50132])
def test_the_row_behind_a_message(number: int) -> None:
    message = str(from_answer(400, {"error": "invalid_grant", "error_description": f"AADSTS{number}: words"}))
    found = cause_told(f"account ada@example.com: {message}")
    assert found is not None
    assert found.name == f"AADSTS{number}", "others may have the same advice"


def test_no_row() -> None:
    assert cause_told("account ada@example.com: the moon is full -> wait") is None
