"""What do many values say? A median with its spread, percentiles, and ratios of values that were taken side by side."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.client import Row

__all__ = ["PERCENTS", "Result", "percentile", "spread"]

PERCENTS = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 100)
"""The points of a curve."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of all do not exceed (the nearest rank: always one that was measured).

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def spread(values: Sequence[float]) -> float | None:
    """How far off a value usually is: half of the range in which the middle half of all lie; None for one value.

    It does not see the one round that a neighbour spoilt, which the median does not see either.
    """
    if len(values) < 2:
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2


@dataclass
class Result:
    """What was measured of one row: each figure's values, and how the first row did right beside it."""

    row: Row
    figures: dict[str, list[float]] = field(default_factory=dict)
    ratios: dict[str, list[float]] = field(default_factory=dict)
    """The first row's value divided by this row's, one for each pair: below 1, the first row needs less."""
    curves: dict[str, list[float]] = field(default_factory=dict)
    """Many values of one kind, such as the milliseconds of every login: for a curve, not for the table."""
    series: tuple[str, ...] = ()
    """Which of the curves are values over time, whose order matters."""
    notes: dict[str, str] = field(default_factory=dict)
    """Why a figure is not there, or what must be known about it."""
    failed: str | None = None
    """Why this row was given up in the middle; what it had until then is kept."""

    def add(self, figure: str, value: float | None) -> None:
        """Add one round's value; None if it could not be measured."""
        values = self.figures.setdefault(figure, [])
        if value is not None:
            values.append(value)

    def median(self, figure: str) -> float | None:
        """The middle of the rounds."""
        values = self.figures.get(figure)
        return statistics.median(values) if values else None

    def spread(self, figure: str) -> float | None:
        """The spread of the rounds."""
        return spread(self.figures.get(figure, []))

    def ratio(self, figure: str) -> float | None:
        """The middle of the pairs' ratios."""
        ratios = self.ratios.get(figure)
        return statistics.median(ratios) if ratios else None

    def add_latencies(self, figure: str, seconds: Sequence[float], unit: str = "ms") -> None:
        """Add median and 99th percentile of these durations, and keep them for a curve."""
        scale = 1e3 if unit == "ms" else 1e6
        values = [second * scale for second in seconds]
        self.add(f"{figure}: p50 {unit}", percentile(values, 50))
        self.add(f"{figure}: p99 {unit}", percentile(values, 99))
        self.curves.setdefault(figure, []).extend(values)
