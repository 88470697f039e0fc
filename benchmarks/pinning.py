"""Which processor does whose work? The row that is measured has one to itself; the rest share what is left."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

__all__ = ["Pins", "pin_here"]


@dataclass(frozen=True)
class Pins:
    """The processors of both sides; empty where nothing is pinned."""

    row: tuple[int, ...] = ()
    rest: tuple[int, ...] = ()

    @classmethod
    def of(cls, available: set[int]) -> Pins:
        """The last processor for the row (the first is where interrupts go), the others for client and provider.

        With one processor, or without ``taskset`` (util-linux), nothing is pinned.
        """
        ordered = sorted(available)
        if len(ordered) < 2 or shutil.which("taskset") is None:
            return cls()
        return cls((ordered[-1],), tuple(ordered[:-1]))

    def command(self, command: list[str], *, row: bool) -> list[str]:
        """The command that runs `command` where it belongs; its process id is that of the program."""
        cpus = self.row if row else self.rest
        if not cpus:
            return command
        return ["taskset", "--cpu-list", ",".join(map(str, cpus)), *command]

    def __str__(self) -> str:
        if not self.row:
            return "nothing is pinned"
        rest = ", ".join(map(str, self.rest))
        return f"each row on processor {self.row[0]}, client and provider on {rest}"


def pin_here(pins: Pins) -> None:
    """Move this process, which is the client, to its side."""
    if pins.rest:
        os.sched_setaffinity(0, pins.rest)
