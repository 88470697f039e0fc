"""Rows are measured in an order that is fair, and a person hears how far it is."""

import io
from collections.abc import Callable, Sequence

import pytest

from benchmarks.client import Row
from benchmarks.figures import Result
from benchmarks.rounds import Progress, Work, duration, in_turn, paired


def rows(names: str) -> list[Row]:
    return [Row(name, "127.0.0.1", 1, None, "token") for name in names]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rounds_visit_every_row_and_begin_with_another() -> None:
    order: list[str] = []

    def work(row: Row, result: Result) -> None:
        order.append(row.name)
        result.add("figure", len(order))

    results = in_turn("title", rows("abc"), 3, work)
    assert "".join(order) == "abcbcacab"
    assert [result.median("figure") for result in results] == [6, 4, 5]
    assert results[1].ratios == {"figure": [1.5]}


def test_every_other_row_is_measured_beside_the_first() -> None:
    order: list[str] = []

    def work(row: Row, result: Result) -> None:
        order.append(row.name)
        result.add("figure", len(order))

    first, *others = paired("title", rows("abc"), 2, work)
    assert "".join(order) == "abcacaab"
    assert len(first.figures["figure"]) == 4
    assert [len(other.figures["figure"]) for other in others] == [2, 2]
    # Each ratio is of two neighbours: a1/b2 and a7/b8; a4/c3 and a6/c5.
    assert others[0].ratios["figure"] == [1 / 2, 7 / 8]
    assert others[1].ratios["figure"] == [4 / 3, 6 / 5]


def test_one_row_alone_is_measured_each_round() -> None:
    [alone] = paired("title", rows("a"), 3, lambda _row, result: result.add("figure", 1.0))
    assert alone.figures == {"figure": [1.0, 1.0, 1.0]}
    assert alone.ratios == {}


@pytest.mark.parametrize("order", [in_turn, paired])
def test_a_row_that_fails_is_given_up_and_the_others_are_not(
    order: Callable[[str, Sequence[Row], int, Work], list[Result]],
) -> None:
    asked: list[str] = []

    def work(row: Row, result: Result) -> None:
        asked.append(row.name)
        result.add("figure", 1.0)
        if row.name == "b":
            raise OSError("connection refused")

    first, broken, last = order("title", rows("abc"), 2, work)
    assert asked.count("b") == 1
    assert broken.failed == "OSError: connection refused"
    assert broken.notes == {"figure": "given up: OSError: connection refused"}
    assert first.failed is None
    assert len(last.figures["figure"]) == len(last.ratios["figure"] if order is paired else [1, 1]) == 2


def test_nobody_to_measure_is_no_fault() -> None:
    assert (
        paired("title", [], 1, lambda _row, _result: None) == in_turn("title", [], 1, lambda _row, _result: None) == []
    )


def test_progress_says_what_is_left() -> None:
    terminal = Terminal()
    progress = Progress("relay", 2, terminal)
    progress.step("a")
    assert "left" not in terminal.getvalue()
    progress.step("b")
    assert "about 0 s left" in terminal.getvalue()
    assert (duration(89), duration(300)) == ("89 s", "5 min")


def test_what_one_row_cannot_tell_has_no_ratio() -> None:
    def work(row: Row, result: Result) -> None:
        result.add("CPU", None if row.name == "b" else 1.0)
        result.add("idle CPU", 0.0)

    _, other = paired("title", rows("ab"), 1, work)
    assert other.figures == {"CPU": [], "idle CPU": [0.0]}
    assert other.ratios == {}


def test_progress_is_one_line_on_a_terminal() -> None:
    terminal = Terminal()
    progress = Progress("relay", 2, terminal)
    progress.step("a")
    progress.step("b")
    progress.end()
    assert "relay 2/2: b" in terminal.getvalue()
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_progress_is_a_line_now_and_then_elsewhere() -> None:
    log = io.StringIO()
    progress = Progress("relay", 3, log)
    for name in "abc":
        progress.step(name)
    progress.end()
    assert log.getvalue() == "relay 1/3: a, 0 s so far\n"
