"""In which order are the rows measured? Pair by pair, so that what else the machine does hits both of a pair."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from benchmarks.client import Row
from benchmarks.figures import Result
from benchmarks.processes import CannotStartError

__all__ = ["FAILURES", "Progress", "Work", "duration", "in_turn", "paired"]

Work = Callable[[Row, Result], None]


FAILURES = (RuntimeError, OSError, CannotStartError, subprocess.SubprocessError)
"""What a row that breaks, or a connection to it, raises; anything else is a fault of the bench."""


def duration(seconds: float) -> str:
    """For a person who waits."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


class Progress:
    """Tells a person who waits how far it is: one line that changes on a terminal, else a line now and then."""

    EVERY = 10.0
    """Seconds between two lines where lines cannot be overwritten."""

    def __init__(self, title: str, steps: int, stream: TextIO | None = None) -> None:
        self._title, self._steps, self._done = title, steps, 0
        self._stream = sys.stderr if stream is None else stream
        self._begun, self._told = time.monotonic(), -self.EVERY

    def step(self, what: str) -> None:
        """The next step begins."""
        now = time.monotonic()
        text = f"{self._title} {self._done + 1}/{self._steps}: {what}, {now - self._begun:.0f} s so far"
        if self._done:
            left = (now - self._begun) / self._done * (self._steps - self._done)
            text += f", about {duration(left)} left"
        self._done += 1
        if self._stream.isatty():
            self._stream.write(f"\r\x1b[K{text}")
        elif now - self._told >= self.EVERY:
            self._told = now
            self._stream.write(text + "\n")
        self._stream.flush()

    def skip(self, steps: int) -> None:
        """So many steps are not done: their row was given up."""
        self._steps -= steps

    def end(self) -> None:
        """Leave no half line on a terminal."""
        if self._stream.isatty():
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def in_turn(title: str, rows: Sequence[Row], rounds: int, work: Work) -> list[Result]:
    """Each round visits every row once, beginning with another one each time: for what takes long and varies little."""
    results = [Result(row) for row in rows]
    progress = Progress(title, rounds * len(results))
    for number in range(rounds):
        begin = number % max(1, len(results))
        for result in results[begin:] + results[:begin]:
            progress.step(result.row.name)
            _try(work, result)
    progress.end()
    if not results:
        return results
    first = results[0]
    for other in results[1:]:
        for figure in other.figures:
            _compare(first, other, figure, 0, 0)
    return results


def paired(title: str, rows: Sequence[Row], rounds: int, work: Work) -> list[Result]:
    """Each round measures the first row beside every other: first, second; third, first; first, fourth and so on.

    A ratio is that of two values taken one right after the other, so that it holds on a machine that is busy at times.
    """
    results = [Result(row) for row in rows]
    if not results:
        return results
    first, *others = results
    progress = Progress(title, rounds * max(1, 2 * len(others)))
    for number in range(rounds):
        if not others:
            progress.step(first.row.name)
            _try(work, first)
        begin = number % len(others) if others else 0
        for index, other in enumerate(others[begin:] + others[:begin]):
            if other.failed is not None:
                progress.skip(2)
                continue
            before = _lengths(first), _lengths(other)
            for result in (first, other) if (number + index) % 2 == 0 else (other, first):
                progress.step(result.row.name)
                _try(work, result)
            for figure in other.figures:
                _compare(first, other, figure, before[0].get(figure, 0), before[1].get(figure, 0))
    progress.end()
    return results


def _try(work: Work, result: Result) -> None:
    """One row that does not answer loses its own figures, and nobody else's; it is not asked again."""
    if result.failed is not None:
        return
    try:
        work(result.row, result)
    except FAILURES as error:
        result.failed = f"{type(error).__name__}: {error}"
        for figure in result.figures or {"all": []}:
            result.notes.setdefault(figure, f"given up: {result.failed}")


def _lengths(result: Result) -> dict[str, int]:
    return {figure: len(values) for figure, values in result.figures.items()}


def _compare(first: Result, other: Result, figure: str, since_first: int, since_other: int) -> None:
    """Add the ratio of what was measured since."""
    mine, theirs = first.figures.get(figure, [])[since_first:], other.figures[figure][since_other:]
    if mine and theirs and statistics.median(theirs) > 0:
        other.ratios.setdefault(figure, []).append(statistics.median(mine) / statistics.median(theirs))
