"""What is awaited of two sockets is told, in turns; what is not awaited is not, and a broken peer always."""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from emailproxy.lookout import GRAIN, Lookout
from emailproxy.readiness import EachByTask, Next, Readiness
from tests.clocks import PatientClock
from tests.patience import HANG


class Noted:
    """Turns that note what they are told, and use up nothing."""

    def __init__(self, enough: int = 1) -> None:
        self.told: list[tuple[int, bool, bool]] = []
        self.gone_on = 0
        self.following: list[Next] = []
        self.deadline = math.inf
        self._enough = enough

    def go_on(self) -> Next:
        self.gone_on += 1
        return self.following.pop(0) if self.following else Next.WAIT

    def act(self, fd: int, readable: bool, writable: bool) -> Next:
        self.told.append((fd, readable, writable))
        return Next.OVER if len(self.told) >= self._enough else Next.WAIT


@pytest.fixture(params=["one task for all", "each by tasks"])
async def opened(request: pytest.FixtureRequest, nursery: trio.Nursery) -> AsyncIterator[Callable[[], Readiness]]:
    async with aclosing(Lookout()) as lookout:
        nursery.start_soon(lookout.run)
        yield lookout.open if request.param == "one task for all" else EachByTask
        nursery.cancel_scope.cancel()
        await wait_all_tasks_blocked()


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pairs = [(socket.create_connection(listener.getsockname()), listener.accept()[0]) for _ in range(2)]
    found = [sock for pair in pairs for sock in pair]
    for sock in found:
        sock.setblocking(False)
    yield found
    for sock in found:
        sock.close()


async def told(readiness: Readiness, turns: Noted) -> list[tuple[int, bool, bool]]:
    with trio.fail_after(HANG):
        await readiness.attend(turns)
    return turns.told


async def test_whichever_comes_first(opened: Callable[[], Readiness], sockets: list[socket.socket]) -> None:
    far, near, far_other, other = sockets
    readiness = opened()
    readiness.watch(near.fileno(), readable=True, writable=False)
    readiness.watch(other.fileno(), readable=True, writable=False)
    far.send(b"x")
    assert await told(readiness, Noted()) == [(near.fileno(), True, False)]
    again = await told(readiness, Noted(enough=3))
    assert again == [(near.fileno(), True, False)] * 3, "what was not read is told again"
    near.recv(1)
    far_other.send(b"x")
    assert await told(readiness, Noted()) == [(other.fileno(), True, False)]
    readiness.close()


async def test_what_is_not_awaited_is_not_told(opened: Callable[[], Readiness], sockets: list[socket.socket]) -> None:
    far, near, _, other = sockets
    readiness = opened()
    readiness.watch(near.fileno(), readable=True, writable=False)
    readiness.watch(other.fileno(), readable=False, writable=True)
    far.send(b"x")
    readiness.watch(near.fileno(), readable=False, writable=False)
    assert await told(readiness, Noted(enough=3)) == [(other.fileno(), False, True)] * 3
    readiness.watch(other.fileno(), readable=False, writable=False)
    nothing = Noted()
    with trio.move_on_after(0.05) as scope:
        await readiness.attend(nothing)
    assert scope.cancelled_caught
    assert nothing.told == []
    readiness.watch(near.fileno(), readable=True, writable=False)
    assert await told(readiness, Noted()) == [(near.fileno(), True, False)]
    readiness.close()


async def test_a_connection_that_broke_is_told(opened: Callable[[], Readiness], sockets: list[socket.socket]) -> None:
    far, near, _, _ = sockets
    readiness = opened()
    readiness.watch(near.fileno(), readable=True, writable=False)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    ((fd, readable, _),) = await told(readiness, Noted())
    assert fd == near.fileno()
    assert readable
    readiness.close()


async def test_cancelling_loses_nothing(opened: Callable[[], Readiness], sockets: list[socket.socket]) -> None:
    far, near, _, _ = sockets
    readiness = opened()
    readiness.watch(near.fileno(), readable=True, writable=False)
    cancelled = Noted()
    with trio.move_on_after(0.02):
        await readiness.attend(cancelled)
    assert cancelled.told == []
    far.send(b"x")
    assert await told(readiness, Noted()) == [(near.fileno(), True, False)]
    readiness.close()


async def test_more_at_once_without_a_socket(opened: Callable[[], Readiness], sockets: list[socket.socket]) -> None:
    _, near, _, _ = sockets
    readiness = opened()
    readiness.watch(near.fileno(), readable=True, writable=False)
    turns = Noted()
    turns.following = [Next.AGAIN, Next.AGAIN, Next.OVER]
    assert await told(readiness, turns) == []
    assert turns.gone_on == 3
    readiness.close()


async def test_more_at_once_after_a_turn(opened: Callable[[], Readiness], sockets: list[socket.socket]) -> None:
    """A turn that was too short goes on, although its socket says nothing more."""
    far, near, _, _ = sockets
    readiness = opened()
    readiness.watch(near.fileno(), readable=True, writable=False)

    class Long(Noted):
        def act(self, fd: int, readable: bool, writable: bool) -> Next:
            super().act(fd, readable, writable)
            near.recv(10)
            self.following = [Next.AGAIN, Next.OVER]
            return Next.AGAIN

    far.send(b"x")
    turns = Long()
    assert await told(readiness, turns) == [(near.fileno(), True, False)]
    assert turns.gone_on == 3
    readiness.close()


async def test_a_mistake_in_a_turn_is_raised_where_it_is_attended(
    opened: Callable[[], Readiness], sockets: list[socket.socket]
) -> None:
    far, near, far_other, other = sockets
    mine, others = opened(), opened()
    mine.watch(near.fileno(), readable=True, writable=False)
    others.watch(other.fileno(), readable=True, writable=False)

    class Mistaken(Noted):
        def act(self, fd: int, readable: bool, writable: bool) -> Next:
            raise ZeroDivisionError

    far.send(b"x")
    far_other.send(b"x")
    with pytest.raises(ZeroDivisionError):
        await told(mine, Mistaken())
    mine.close()
    assert await told(others, Noted()) == [(other.fileno(), True, False)], "nobody else notices"
    others.close()


@pytest.mark.parametrize("earlier", [False, True], ids=["known before", "moved"])
async def test_a_deadline_that_has_passed_ends_the_wait(
    opened: Callable[[], Readiness], sockets: list[socket.socket], autojump_clock: PatientClock, *, earlier: bool
) -> None:
    far, near, far_other, other = sockets
    patient, hasty = opened(), opened()
    patient.watch(near.fileno(), readable=True, writable=False)
    hasty.watch(other.fileno(), readable=True, writable=False)
    began = trio.current_time()
    turns, late = Noted(enough=2), Noted()
    turns.deadline = began + (3600 if earlier else 60)
    late.deadline = began + 3000

    class Ending(Noted):
        def act(self, fd: int, readable: bool, writable: bool) -> Next:
            turns.told.append((fd, readable, writable))
            other.recv(1)
            turns.deadline = began + 60
            hasty.wake_by(turns.deadline)
            return Next.WAIT

    if earlier:
        turns.act = Ending().act  # type: ignore[method-assign]
        far_other.send(b"x")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patient.attend, late)
        await hasty.attend(turns)
        assert began + 60 <= trio.current_time() <= began + 60 + GRAIN
        hasty.close()
        assert late.told == []
        far.send(b"x")
    assert late.told == [(near.fileno(), True, False)], "nobody else's"
    patient.close()


async def test_deadlines_that_move_on_are_met_at_last(
    opened: Callable[[], Readiness], sockets: list[socket.socket], autojump_clock: PatientClock
) -> None:
    far, near, _, _ = sockets
    readiness = opened()
    readiness.watch(near.fileno(), readable=True, writable=False)

    class Renewed(Noted):
        def act(self, fd: int, readable: bool, writable: bool) -> Next:
            near.recv(1)
            self.deadline = trio.current_time() + 60
            return super().act(fd, readable, writable)

    turns = Renewed(enough=100)
    turns.deadline = trio.current_time() + 60
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readiness.attend, turns)
        for _ in range(10):
            await trio.sleep(50)
            far.send(b"x")
        last = trio.current_time()
    assert len(turns.told) == 10
    assert last + 60 <= trio.current_time() <= last + 60 + GRAIN
    readiness.close()


async def test_stopping(opened: Callable[[], Readiness], sockets: list[socket.socket]) -> None:
    _, near, _, _ = sockets
    readiness = opened()
    readiness.watch(near.fileno(), readable=True, writable=False)
    turns = Noted()
    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(readiness.attend, turns)
            await wait_all_tasks_blocked()
            readiness.stop()
    assert turns.told == []
    readiness.close()
    readiness.stop()


async def test_stopping_within_a_turn(opened: Callable[[], Readiness], sockets: list[socket.socket]) -> None:
    far, near, far_other, other = sockets
    readiness, others = opened(), opened()
    readiness.watch(near.fileno(), readable=True, writable=False)
    others.watch(other.fileno(), readable=True, writable=False)

    class Last(Noted):
        def act(self, fd: int, readable: bool, writable: bool) -> Next:
            readiness.stop()
            return super().act(fd, readable, writable)

    far.send(b"x")
    assert await told(readiness, Last()) == [(near.fileno(), True, False)]
    readiness.close()
    far_other.send(b"x")
    assert await told(others, Noted()) == [(other.fileno(), True, False)], "nobody else notices"
    others.close()
