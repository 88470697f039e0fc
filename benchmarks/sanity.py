"""Is what was measured possible at all? Ratios and counts by a wide margin; never an absolute time.

A busy machine may double a figure, and a run as small as a smoke test is mostly noise: what fails here is a thing that
broke, such as a login that derives its key anew (400 times as dear) or a relay that copies each byte ten times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.figures import Result
from benchmarks.setting import Measured

__all__ = ["check"]


COMPARED = frozenset({"stunnel", "dovecot"})
"""Nginx and HAProxy do much less for a login; a margin that is wide enough for them would prove nothing."""


@dataclass(frozen=True)
class Bound:
    """Between which ratios the first row's figure lies to that of another."""

    figure: str
    most: float = math.inf
    least: float = 0.0
    rows: frozenset[str] = COMPARED
    """Which others; empty: all."""


BOUNDS: Mapping[str, tuple[Bound, ...]] = {
    "relay": (Bound("CPU s/GiB", 6.0), Bound("CPU us/message", 40.0)),
    "logins": (Bound("in turn: CPU ms", 12.0), Bound("at a time: CPU ms", 12.0)),
    "idle": (Bound("KiB/session", 8.0),),
    "mixed": (Bound("CPU s for a minute", 15.0),),
    # The first row is the one with the fewest accounts.
    "accounts": (Bound("login: CPU ms", least=0.2, rows=frozenset()),),
    "startup": (Bound("CPU ms to listening", 30.0, rows=frozenset({"import trio"})),),
}
FREE = {
    "NOOP added: p50 us",
    "IDLE news added: p50 us",
    "KiB/session",
    "memory growth %",
    "files left open",
    "turns that were late",
}
"""Differences, which noise can make negative or zero."""
MAY_BE_NOTHING = ("CPU", "threads", "waiting: KiB")
"""Figures that can be zero when little was done."""


def check(mode: str, measured: Measured) -> tuple[int, list[str]]:
    """How many figures were looked at, and what is wrong with which."""
    checked, faults = 0, []
    for title, results in measured.items():
        for result in results:
            for figure, values in result.figures.items():
                checked += 1
                where = f"{title}: {result.row.name}: {figure}"
                if result.row.pid is not None and not values and figure not in result.notes:
                    faults.append(f"{where}: no value")
                if figure not in FREE and not all(_possible(figure)(value) for value in values):
                    faults.append(f"{where}: {values} is not possible")
            faults += _too_much(mode, title, result)
    return checked, faults


def _possible(figure: str) -> Callable[[float], bool]:
    if any(word in figure for word in MAY_BE_NOTHING):
        return lambda value: value >= 0
    return lambda value: value > 0


def _too_much(mode: str, title: str, result: Result) -> list[str]:
    return [
        f"{title}: {figure}: {ratio:.2f} times {result.row.name}, not between {bound.least:g} and {bound.most:g}"
        for bound in BOUNDS.get(mode, ())
        if not bound.rows or result.row.name in bound.rows
        for figure in result.figures
        if bound.figure in figure
        and (ratio := result.ratio(figure)) is not None
        and not bound.least <= ratio <= bound.most
    ]
