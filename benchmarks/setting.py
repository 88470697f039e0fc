"""What does a mode get to work with? Rows, provider, sizes, and who watches whether the bench was the limit."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.client import Account, Row
from benchmarks.figures import Result
from benchmarks.measure import cpu_seconds
from benchmarks.processes import Place, Upstream
from benchmarks.sizes import Sizes
from benchmarks.witness import Witness

__all__ = ["SETTLE", "Measured", "Setting", "Spent", "Tables", "scaled"]

SETTLE = 0.1
"""Seconds between the end of the work and reading the CPU clock: buffers empty, threads end."""


class Spent:
    """What a block of work took."""

    cpu: float | None = None
    """CPU seconds of the row; None if its process is not known."""
    wall: float = 0.0
    """Seconds, without the time to settle."""


@dataclass(frozen=True)
class Setting:
    """One run."""

    rows: Sequence[Row]
    upstream: Upstream
    account: Account
    place: Place
    sizes: Sizes
    witness: Witness

    @contextmanager
    def measured(self, name: str, row: Row, settle: float = SETTLE) -> Generator[Spent]:
        """Measure the row's CPU time and the wall time of a block, with a witness."""
        spent = Spent()
        began = self.witness.begin(row.pid)
        yield spent
        spent.wall = time.perf_counter() - began[0]
        self.witness.end(name, row.pid, began)
        time.sleep(settle)
        if row.pid is not None and began[3] is not None:
            spent.cpu = cpu_seconds(row.pid) - began[3]


def scaled(value: float | None, factor: float) -> float | None:
    """A value that may not be known, in another unit."""
    return None if value is None else value * factor


Measured = dict[str, list[Result]]
"""The tables of one mode, by title."""
Tables = Iterator[tuple[str, list[Result]]]
"""The same as they become ready, so that a fault behind them loses none."""
