"""Who gets the next thread for a slow check of a password? Each client network in turn, proven ones first.

A check keeps a core busy for some tenths of a second, so there are few threads for them, and a queue. In one queue for
all, a client that tries fifty passwords on fifty accounts lets everybody wait for fifty checks. Here every network has
a queue of its own, of bounded length, and gets one check at a time when its turn comes. So that a thousand networks
cannot do together what one cannot, those from which a password has been right before get every other turn.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

__all__ = ["OURS", "Shares", "TooManyChecksError"]

MAX_WAITING: Final = 16
"""Checks that one network may have waiting: an office whose devices all log in anew after a restart comes back in
seconds for the rest; a guesser waits no shorter."""
MAX_PROVEN: Final = 10_000
"""Networks remembered as proven, about 1 MB."""

OURS: Final = ""
"""The network of checks that the proxy itself wants done; never refused."""


class TooManyChecksError(Exception):
    """So many passwords from this network wait for their check that this one is not looked at now."""


class Shares:
    """Turns at a few threads."""

    def __init__(self, threads: int) -> None:
        self._free = threads
        self._proven: OrderedDict[str, None] = OrderedDict()
        self._queues: tuple[OrderedDict[str, deque[trio.Event]], ...] = (OrderedDict(), OrderedDict())
        """Who waits, by network, whose turn it is first: of proven networks, and of others."""
        self._next = 0

    def prove(self, network: str) -> None:
        """A password from there was right."""
        self._proven[network] = None
        self._proven.move_to_end(network)
        while len(self._proven) > MAX_PROVEN:
            self._proven.popitem(last=False)

    @asynccontextmanager
    async def turn(self, network: str) -> AsyncIterator[None]:
        """Wait for a turn and have it.

        Raises:
            TooManyChecksError: too many others of this network wait already.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(network)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, network: str) -> None:
        queues = self._queues[0 if network == OURS or network in self._proven else 1]
        queue = queues.get(network, deque())
        if network != OURS and len(queue) >= MAX_WAITING:
            raise TooManyChecksError
        queues[network] = queue
        mine = trio.Event()
        queue.append(mine)
        try:
            await mine.wait()
        except trio.Cancelled:
            if mine.is_set():
                self._pass_on()
            else:
                queue.remove(mine)
                if not queue:
                    del queues[network]
            raise

    def _pass_on(self) -> None:
        """The thread of this turn is free: the next one's turn."""
        for queues in (self._queues[self._next], self._queues[1 - self._next]):
            if queues:
                network, queue = next(iter(queues.items()))
                queue.popleft().set()
                if queue:
                    queues.move_to_end(network)
                else:
                    del queues[network]
                self._next = 1 - self._next
                return
        self._free += 1
