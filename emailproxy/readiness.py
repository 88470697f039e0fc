"""Which of two sockets is ready? One wait for both, in one task.

A relay that had a task for each direction would pay more for them than most sessions ever carry. On Linux an epoll
descriptor stands for both sockets, and trio waits for it as for any other; elsewhere two tasks live as long as a wait.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from functools import partial
from typing import Protocol

import trio

__all__ = ["EachByTask", "Readiness", "open_readiness"]

Ready = tuple[int, bool, bool]
"""A descriptor, whether reading and whether writing would do something: succeed, or tell what is broken."""


class Readiness(Protocol):
    """Sockets, and what is awaited of each. Level-triggered: what is not used up is told again."""

    def watch(self, fd: int, *, readable: bool, writable: bool) -> None:
        """From now on await this of `fd`; nothing any more if both are False."""
        ...

    async def wait(self, *, patient: bool = True) -> list[Ready]:
        """Wait until something awaited has come, and tell which; perhaps nothing. Cancelling it loses nothing.

        Args:
            patient: False: do not wait, but let other tasks run.
        """
        ...

    def close(self) -> None:
        """Release what this holds; the sockets stay open."""
        ...


class EachByTask:
    """A `Readiness` for every platform that trio knows."""

    def __init__(self) -> None:
        self._wanted: dict[int, tuple[bool, bool]] = {}

    def watch(self, fd: int, *, readable: bool, writable: bool) -> None:
        """See `Readiness.watch`."""
        if readable or writable:
            self._wanted[fd] = readable, writable
        else:
            self._wanted.pop(fd, None)

    async def wait(self, *, patient: bool = True) -> list[Ready]:
        """See `Readiness.wait`."""
        found: dict[int, tuple[bool, bool]] = {}
        async with trio.open_nursery() as nursery:

            async def one(fd: int, *, reading: bool) -> None:
                await (trio.lowlevel.wait_readable if reading else trio.lowlevel.wait_writable)(fd)
                readable, writable = found.get(fd, (False, False))
                found[fd] = readable or reading, writable or not reading
                nursery.cancel_scope.cancel()

            for fd, (readable, writable) in self._wanted.items():
                if readable:
                    nursery.start_soon(partial(one, fd, reading=True))
                if writable:
                    nursery.start_soon(partial(one, fd, reading=False))
            if not self._wanted:
                nursery.start_soon(trio.sleep_forever)
            if not patient:
                for _ in range(2):  # to begin to wait, and to hear of it
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        return [(fd, *ready) for fd, ready in found.items()]

    def close(self) -> None:
        """See `Readiness.close`."""
        self._wanted.clear()


if sys.platform == "linux":

    class _ByEpoll:
        __slots__ = ("_epoll", "_watched")

        def __init__(self) -> None:
            self._epoll = select.epoll(2)
            self._watched: set[int] = set()

        def watch(self, fd: int, *, readable: bool, writable: bool) -> None:
            wanted = (select.EPOLLIN if readable else 0) | (select.EPOLLOUT if writable else 0)
            if fd in self._watched:
                if wanted:
                    self._epoll.modify(fd, wanted)
                else:  # not an empty mask: errors are told whatever the mask, again and again
                    self._watched.remove(fd)
                    self._epoll.unregister(fd)
            elif wanted:
                self._epoll.register(fd, wanted)
                self._watched.add(fd)

        async def wait(self, *, patient: bool = True) -> list[Ready]:
            if patient:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
            else:
                await trio.lowlevel.checkpoint()
            # An error or a hang-up shows as both, so that whoever comes first finds out which.
            return [(fd, events != select.EPOLLOUT, events != select.EPOLLIN) for fd, events in self._epoll.poll(0, 2)]

        def close(self) -> None:
            self._epoll.close()

    open_readiness: Callable[[], Readiness] = _ByEpoll
    """Makes the `Readiness` that is best on this platform. Raises OSError if there is no descriptor left."""
else:
    open_readiness: Callable[[], Readiness] = EachByTask
    """Makes the `Readiness` that is best on this platform."""
