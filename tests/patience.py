"""How long does a test wait for what should come at once? Until it surely never comes, on any machine."""

from __future__ import annotations

import time
from collections.abc import Callable

import trio

__all__ = ["HANG", "eventually"]

HANG = 60.0
"""Seconds, for every limit that is there only so that a test fails and does not hang. `tests/test_patience.py` sees to
it that none is shorter."""
LOOK = 0.005
"""Seconds between two looks."""


async def eventually(condition: Callable[[], object]) -> None:
    """Wait until it is so. Real time passes, whatever the clock of the test: virtual time stands still meanwhile."""
    end = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < end, f"waited {HANG:g} s in vain"
        await trio.to_thread.run_sync(time.sleep, LOOK)
