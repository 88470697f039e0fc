"""Was it the row that was slow, or the bench? The processor time of client and provider tells."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from benchmarks.measure import cpu_seconds

__all__ = ["Share", "Witness"]

BUSY = 0.95
"""From this share of a processor on, a process is as fast as it gets."""


@dataclass(frozen=True)
class Share:
    """How much of one processor each side used, 1 being all of it."""

    row: float | None
    provider: float
    client: float


@dataclass
class Witness:
    """Takes the shares of one mode's measurements."""

    provider: int
    """Its process id."""
    together: bool
    """Client and provider have one processor between them."""
    shares: dict[str, list[Share]] = field(default_factory=dict)

    def begin(self, row: int | None) -> tuple[float, float, float, float | None]:
        """What the clocks say now."""
        mine = None if row is None else cpu_seconds(row)
        return time.perf_counter(), cpu_seconds(self.provider), time.process_time(), mine

    def end(self, name: str, row: int | None, began: tuple[float, float, float, float | None]) -> None:
        """Keep what was used since, under the name of what was done."""
        wall, provider, client, mine = self.begin(row)
        seconds = max(wall - began[0], 1e-9)
        used = None if mine is None or began[3] is None else (mine - began[3]) / seconds
        share = Share(used, (provider - began[1]) / seconds, (client - began[2]) / seconds)
        self.shares.setdefault(name, []).append(share)

    def limited(self, name: str) -> bool:
        """Whether the bench's own side was as fast as it gets in the median of these measurements."""
        used = sorted(
            share.provider + share.client if self.together else max(share.provider, share.client)
            for share in self.shares.get(name, [])
        )
        return bool(used) and used[len(used) // 2] >= BUSY

    def lines(self) -> list[str]:
        """What a person should know of it."""
        text = []
        for name, shares in self.shares.items():
            provider, client = (max(getattr(share, side) for share in shares) for side in ("provider", "client"))
            rows = [share.row for share in shares if share.row is not None]
            line = f"{name}: provider at most {provider:.0%} of a processor, client {client:.0%}"
            line += f", rows {min(rows):.0%} to {max(rows):.0%}" if rows else ""
            if self.limited(name):
                line += "; the bench was the limit: its wall times are its own, CPU times are the rows'"
            text.append(line)
        return text
