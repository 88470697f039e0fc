"""What is ready of a relay's two sockets? The relay says what it awaits, and is told in turns.

On Linux one task waits for the sockets of all relays (`emailproxy.lookout`). Where there is no epoll, and where nobody
runs that task, `EachByTask` waits for those of one relay, with tasks that live as long as a wait.
"""

from __future__ import annotations

import enum
from functools import partial
from typing import Protocol

import trio

__all__ = ["EachByTask", "Next", "Readiness", "Turns"]


class Next(enum.Enum):
    """What is to happen after a turn."""

    WAIT = enum.auto()
    """Nothing, until something awaited has come."""
    AGAIN = enum.auto()
    """More can be done at once; others first."""
    OVER = enum.auto()


class Turns(Protocol):
    """Does something whenever it can. A turn awaits nothing and takes a few milliseconds at most."""

    @property
    def deadline(self) -> float:
        """When it has waited for too long, by trio's clock. May move at each turn."""
        ...

    def go_on(self) -> Next:
        """Begin, or do more of what needs no socket to be ready."""
        ...

    def act(self, fd: int, readable: bool, writable: bool) -> Next:
        """Something awaited of `fd` has come: reading or writing would succeed, or tell what is broken.

        Perhaps it has gone again: it is a hint, and only that.
        """
        ...


class Readiness(Protocol):
    """The sockets of one relay, and what is awaited of each. Level-triggered: what is not used up is told again."""

    def watch(self, fd: int, *, readable: bool, writable: bool) -> None:
        """From now on await this of `fd`; nothing any more if both are False."""
        ...

    async def attend(self, turns: Turns) -> None:
        """Let `turns` act until it is over, its deadline has passed (a few seconds ago at most), or `stop`.

        Cancelling it loses nothing; what a turn raises is raised here.
        """
        ...

    def wake_by(self, time: float) -> None:
        """The deadline is earlier now than it was."""
        ...

    def stop(self) -> None:
        """Let `attend` return, if it waits."""
        ...

    def close(self) -> None:
        """Await nothing any more. The sockets stay open; call it before they are closed."""
        ...


class EachByTask:
    """A `Readiness` for every platform that trio knows."""

    def __init__(self) -> None:
        self._wanted: dict[int, tuple[bool, bool]] = {}
        self._waiting = trio.CancelScope()

    def watch(self, fd: int, *, readable: bool, writable: bool) -> None:
        """See `Readiness.watch`."""
        if readable or writable:
            self._wanted[fd] = readable, writable
        else:
            self._wanted.pop(fd, None)

    async def attend(self, turns: Turns) -> None:
        """See `Readiness.attend`."""
        following = turns.go_on()
        while following is not Next.OVER:
            patient = following is Next.WAIT
            with trio.CancelScope(deadline=turns.deadline) as self._waiting:
                ready = await self._wait(patient=patient)
            if self._waiting.cancelled_caught:
                return
            if not patient:
                following = turns.go_on()
            for fd, (readable, writable) in ready.items():
                if following is Next.OVER:
                    break
                acted = turns.act(fd, readable, writable)
                if acted is not Next.WAIT:
                    following = acted

    async def _wait(self, *, patient: bool) -> dict[int, tuple[bool, bool]]:
        """Wait until something awaited has come, and tell which; perhaps nothing. Cancelling it loses nothing.

        Args:
            patient: False: do not wait, but let other tasks run.
        """
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
        return found

    def wake_by(self, time: float) -> None:
        """See `Readiness.wake_by`; after each turn the deadline is looked at."""

    def stop(self) -> None:
        """See `Readiness.stop`."""
        self._waiting.cancel()

    def close(self) -> None:
        """See `Readiness.close`."""
        self._wanted.clear()
