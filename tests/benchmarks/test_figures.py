"""Medians, spreads, percentiles and ratios are what they are called."""

import pytest

from benchmarks.client import Row
from benchmarks.figures import Result, percentile, spread


def result(name: str = "row") -> Result:
    return Result(Row(name, "127.0.0.1", 1, None, "token"))


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile(values, 100) == 100
    assert percentile([3.0, 1.0, 2.0], 50) == 2
    assert percentile([7.0], 1) == 7


def test_a_percentile_of_nothing_is_a_fault() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_spread_is_half_of_the_middle_half() -> None:
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == 1
    assert spread([2.0, 2.0, 2.0]) == 0
    assert spread([1.0]) is None


def test_spread_does_not_see_one_spoilt_round() -> None:
    assert spread([1.0, 1.0, 1.0, 1.0, 900.0]) == 0


def test_a_figure_that_was_not_measured_has_no_median() -> None:
    row = result()
    row.add("CPU", None)
    row.add("wall", 2.0)
    assert row.figures == {"CPU": [], "wall": [2.0]}
    assert (row.median("CPU"), row.median("wall"), row.median("other")) == (None, 2.0, None)
    assert row.ratio("wall") is None


def test_latencies_become_percentiles_and_a_curve() -> None:
    row = result()
    row.add_latencies("login", [0.001, 0.002, 0.003])
    row.add_latencies("NOOP", [0.0001], "us")
    assert row.median("login: p50 ms") == 2
    assert row.median("login: p99 ms") == 3
    assert row.median("NOOP: p50 us") == pytest.approx(100)
    assert row.curves["login"] == [1, 2, 3]
