"""Do two samples of times differ, or is what we see chance? Two tests that miss different things."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, variance

__all__ = ["mann_whitney", "welch"]


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p-value of Mann and Whitney's U: is one sample mostly above the other?

    By the normal approximation with corrections for ties and continuity, good from about eight values each.
    """
    first, second = len(one), len(other)
    ranked = _ranks([*one, *other])
    u = sum(ranked[:first]) - first * (first + 1) / 2
    total = first + second
    ties = sum(count**3 - count for count in Counter([*one, *other]).values())
    spread = math.sqrt(first * second / 12 * (total + 1 - ties / (total * (total - 1))))
    distance = max(abs(u - first * second / 2) - 0.5, 0.0)
    return math.erfc(distance / spread / math.sqrt(2)) if spread else 1.0


def welch(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p-value of Welch's test: do the means differ, whatever the variances?

    By the normal approximation, which from about thirty values each is as good as Student's distribution.
    """
    error = math.sqrt(variance(one) / len(one) + variance(other) / len(other))
    distance = abs(fmean(one) - fmean(other))
    if not error:
        return 1.0 if not distance else 0.0
    return math.erfc(distance / error / math.sqrt(2))


def _ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value from 1; of equal ones the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + 1 + end) / 2
        start = end
    return ranks
