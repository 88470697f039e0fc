"""The documentation gets what was measured, and nothing of it by hand."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import pages
from benchmarks.client import Row
from benchmarks.figures import Result
from benchmarks.recorded import Recorded
from benchmarks.report import document

MACHINE = {"cores": 2, "CPU": "Some CPU", "Python": "3.11.2", "with": "OpenSSL 3.0.19 27 Jan 2026"}


def results(figure: str, ours: float, theirs: float) -> list[Result]:
    first = Result(Row("emailproxy", "", 1, 1, "password"), {figure: [ours, ours]})
    other = Result(Row("classic", "", 1, 1, "token"), {figure: [theirs, theirs]}, {figure: [ours / theirs]})
    return [first, other]


def run() -> Recorded:
    logins = {"Repeated logins, IMAP, the token at hand": results("in turn: CPU ms", 2.0, 800.0)}
    idle = {f"Idle: {size} sessions in IDLE": results("KiB/session", size / 100, 100.0) for size in (100, 1000)}
    made = {
        "logins": document("logins", logins, MACHINE, ["provider at most 50%"]),
        "idle": document("idle", idle, MACHINE),
    }
    for one in made.values():
        one["time"] = "2026-11-03T12:00:00+00:00"
    return Recorded(made)


def test_the_plot_shows_ours_beside_the_others_with_date_and_machine() -> None:
    texts = [element.text for element in ET.fromstring(pages.plot(run())).iter("{http://www.w3.org/2000/svg}text")]
    assert "CPU milliseconds per repeated IMAP login" in texts
    assert "KiB per idle session, of 1,000" in texts
    assert not [text for text in texts if text and "GiB" in text], "what was not measured has no panel"
    assert "Less is better. 3 November 2026, 2 cores of Some CPU, Python 3.11.2, OpenSSL 3.0.19." in texts


def test_the_figures_come_with_their_command() -> None:
    text = pages.figures(run(), Path("docs/images/x.svg"))
    assert text.startswith(
        "![CPU per GiB, CPU per login and memory per idle session, beside others](docs/images/x.svg)"
    )
    assert (
        "| CPU milliseconds per repeated IMAP login | **2** | – | – | – | 800 (1/400) | `python -m benchmarks" in text
    )
    assert "| KiB per idle session, of 1,000 | **10** | – | – | – | 100 (0.10x) |" in text


def test_the_tables_hold_the_targets_and_every_figure() -> None:
    text = pages.tables(run())
    assert "| repeated IMAP login, CPU | at most 1/400 x classic | 0.00250x (2 beside 800) | met |" in text
    assert "| start to listening | at most 1.4 x import trio | - | not measured |" in text
    assert "**Idle: 100 sessions in IDLE**\n\n|  | emailproxy | classic |\n| --- | --- | --- |\n" in text
    assert "| in turn: CPU ms | 2 ± 0 | 800 ± 0 (1/400) |" in text
    assert "- provider at most 50%" in text


def test_a_page_keeps_what_is_around_the_figures() -> None:
    page = f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n"
    once = pages.inserted(page, "new")
    assert once == f"before\n{pages.BEGIN}\n\nnew\n\n{pages.END}\nafter\n"
    assert pages.inserted(once, "new") == once
    with pytest.raises(ValueError, match="there is no place for the figures"):
        pages.inserted("before", "new")
