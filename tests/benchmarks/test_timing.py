"""Do the tests of two samples say what the book says, and does the verdict follow?"""

from __future__ import annotations

import random

import pytest

from benchmarks.difference import mann_whitney, welch
from benchmarks.timing import Comparison, report


def test_mann_and_whitney_by_the_book() -> None:
    """Values by hand: U = 0, mean 12.5, standard deviation sqrt(25 / 12 * 11); with ties, its corrected one."""

    assert mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(0.012186, abs=1e-6)
    assert mann_whitney([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]) == pytest.approx(0.012186, abs=1e-6)
    assert mann_whitney([1, 1, 2, 2], [1, 1, 2, 2]) == 1.0
    assert mann_whitney([1, 1, 1], [1, 1, 1]) == 1.0
    # U = 0.5, mean 4.5, variance 9 / 12 * (7 - 18 / 30) = 4.8: (4 - 0.5) / 2.19089 = 1.59753 standard deviations.
    assert mann_whitney([1, 1, 2], [2, 3, 3]) == pytest.approx(0.110149, abs=1e-6)


def test_welch_by_the_book() -> None:

    assert welch([1, 2, 3], [1, 2, 3]) == 1.0
    # The difference of the means is 2, its standard error sqrt(1/3 + 1/3): 2.4495 standard deviations.
    assert welch([1, 2, 3], [3, 4, 5]) == pytest.approx(0.014306, abs=1e-6)
    assert welch([1, 1], [2, 2]) == 0.0
    assert welch([1, 1], [1, 1]) == 1.0


@pytest.mark.parametrize(("slower", "differs"), [(0.0, False), (3.0, True)])
def test_a_difference_of_milliseconds_is_seen_and_none_is_not(slower: float, differs: bool) -> None:

    source = random.Random(7)
    wrong = [1002 + source.gauss(0, 1) for _ in range(40)]
    unknown = [1002 + slower + source.gauss(0, 1) for _ in range(40)]
    comparisons = [Comparison("managed", "IMAP", wrong, unknown), Comparison("managed", "POP", wrong, wrong)]
    assert comparisons[0].differs(2) is differs
    assert not comparisons[1].differs(2)
    told = report(comparisons, as_json=False)
    assert ("a difference in managed IMAP (" in told) is differs
    assert ("no difference that time could tell" in told) is not differs
    assert '"protocol": "IMAP"' in report(comparisons, as_json=True)
