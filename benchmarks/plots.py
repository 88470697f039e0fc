"""Which pictures does a mode get? Bars of what its rows need, curves of latency, and lines of memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmarks.figures import PERCENTS, Result, percentile
from benchmarks.modes.mixed import TICK
from benchmarks.setting import Measured
from benchmarks.svg import Bar, bars, lines

__all__ = ["of"]

DRAWN = re.compile(r"CPU|KiB|MiB$|MiB RSS|added|s to |ms to ")
"""What is drawn as bars: what something costs. Rates and percentiles are in the table."""
SHOWN = [percent for percent in PERCENTS if percent < 100]
"""The slowest of all is one value, and would be all that a picture shows."""
CURVES = re.compile(r"at a time|NOOP|IDLE news|first|consent")


def of(mode: str, measured: Measured) -> dict[str, str]:
    """SVG documents by file name (without ending)."""
    pictures: dict[str, str] = {}
    shown = {
        title: results for title, results in measured.items() if [result.row.name for result in results] != ["direct"]
    }
    for number, (title, results) in enumerate(shown.items(), 1):
        name = mode if len(shown) == 1 else f"{mode}-{number}"
        if panels := _panels(results):
            pictures[name] = bars(title, panels)
        for curve in dict.fromkeys(curve for result in results for curve in result.curves if CURVES.search(curve)):
            series = {
                result.row.name: [(float(percent), percentile(values, percent)) for percent in SHOWN]
                for result in results
                if (values := result.curves.get(curve))
            }
            unit = next(
                figure.rpartition(" ")[2]
                for result in results
                for figure in result.figures
                if figure.startswith(f"{curve}: p50")
            )
            slug = re.sub(r"\W+", "-", curve).strip("-").lower()
            pictures[f"{name}-latency-{slug}"] = lines(
                f"{title}: {curve}", series, x="per cent that take no longer", y=unit, ticks=(1, 25, 50, 75, 90, 99)
            )
    if mode == "idle" and (series := _memory(measured)):
        pictures["idle-memory"] = lines(
            "Memory of idle sessions", series, x="sessions (logarithmic)", y="KiB for each", log_x=True
        )
    if mode == "mixed":
        for number, results in enumerate(measured.values(), 1):
            series = {
                result.row.name: [(turn * TICK, value) for turn, value in enumerate(result.curves["MiB over time"])]
                for result in results
                if result.curves.get("MiB over time")
            }
            if series:
                pictures[f"mixed-memory-{number}"] = lines("An office's day: memory", series, x="seconds", y="MiB")
    return pictures


def _panels(results: Sequence[Result]) -> Mapping[str, list[Bar]]:
    figures = dict.fromkeys(figure for result in results for figure in result.figures if DRAWN.search(figure))
    panels = {
        figure: [
            Bar(result.row.name, median, result.spread(figure))
            for result in results
            if (median := result.median(figure)) is not None
        ]
        for figure in figures
    }
    return {figure: row for figure, row in panels.items() if row}


def _memory(measured: Measured) -> dict[str, list[tuple[float, float]]]:
    """Row -> (sessions, KiB for each)."""
    series: dict[str, list[tuple[float, float]]] = {}
    for title, results in measured.items():
        size = re.search(r"\d+", title)
        for result in results:
            median = result.median("KiB/session")
            if size is not None and median is not None:
                series.setdefault(result.row.name, []).append((float(size[0]), max(median, 0.0)))
    return series
