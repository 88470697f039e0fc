"""Many relays, one task: each hears of its own sockets only, and nobody keeps the others from theirs."""

from __future__ import annotations

import math
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from emailproxy.lookout import BATCH, Lookout
from emailproxy.readiness import Next
from tests.patience import HANG

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no epoll here")


@pytest.fixture
async def lookout(nursery: trio.Nursery) -> AsyncIterator[Lookout]:
    async with aclosing(Lookout()) as opened:
        nursery.start_soon(opened.run)
        yield opened
        nursery.cancel_scope.cancel()
        await wait_all_tasks_blocked()


class Reader:
    """Reads what its socket has, until `enough` turns."""

    def __init__(self, sock: socket.socket, enough: int = 1) -> None:
        self.sock = sock
        self.read: list[bytes] = []
        self.deadline = math.inf
        self._enough = enough

    def go_on(self) -> Next:
        return Next.WAIT

    def act(self, fd: int, readable: bool, writable: bool) -> Next:
        assert fd == self.sock.fileno()
        self.read.append(self.sock.recv(1))
        return Next.OVER if len(self.read) == self._enough else Next.WAIT


async def attend(lookout: Lookout, reader: Reader) -> None:
    readiness = lookout.open()
    try:
        readiness.watch(reader.sock.fileno(), readable=True, writable=False)
        await readiness.attend(reader)
    finally:
        readiness.close()


def pair() -> tuple[socket.socket, socket.socket]:
    found = socket.socketpair()
    for sock in found:
        sock.setblocking(False)
    return found


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_more_relays_than_one_batch(lookout: Lookout) -> None:
    pairs = [pair() for _ in range(3 * BATCH)]
    readers = [Reader(near, enough=2) for _, near in pairs]
    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            before = open_files()
            for reader in readers:
                nursery.start_soon(attend, lookout, reader)
            await wait_all_tasks_blocked()
            assert open_files() == before, "waiting takes no descriptor"
            for number, (far, _) in enumerate(pairs):
                far.send(bytes([number]) * 2)
    assert [reader.read for reader in readers] == [[bytes([number])] * 2 for number in range(len(pairs))]
    for each in pairs:
        for sock in each:
            sock.close()


async def test_one_that_never_stops_leaves_the_others_their_turns(lookout: Lookout) -> None:
    """Some have always more to read than they take; one is spoken to once."""
    pairs = [pair() for _ in range(2 * BATCH)]
    far, near = pair()
    for busy, _ in pairs:
        busy.send(bytes(100))
    reader = Reader(near)
    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            for _, other in pairs:
                nursery.start_soon(attend, lookout, Reader(other, enough=90))
            far.send(b"x")
            await attend(lookout, reader)
            nursery.cancel_scope.cancel()
    assert reader.read == [b"x"]
    for each in (*pairs, (far, near)):
        for sock in each:
            sock.close()


def taking_over(old: socket.socket, new: socket.socket) -> socket.socket:
    """`new` with the number of `old`, which is closed."""
    number = old.detach()
    os.dup2(new.fileno(), number)
    new.close()
    return socket.socket(fileno=number)


async def test_a_number_that_is_used_again_wakes_its_new_owner_only(lookout: Lookout) -> None:
    (far, near), (far_other, other) = pair(), pair()
    before, after = Reader(near), Reader(other)
    with trio.move_on_after(0):
        await attend(lookout, before)
    after.sock = taking_over(near, other)
    far_other.send(b"x")
    with trio.fail_after(HANG):
        await attend(lookout, after)
    assert (before.read, after.read) == ([], [b"x"])
    for sock in (far, far_other, after.sock):
        sock.close()


async def test_a_socket_that_was_closed_too_early_harms_nobody(lookout: Lookout) -> None:
    """Which would be a mistake of one session's."""
    (far, near), (far_other, other) = pair(), pair()
    early = lookout.open()
    early.watch(near.fileno(), readable=True, writable=False)
    reader = Reader(taking_over(near, other))
    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attend, lookout, reader)
            await wait_all_tasks_blocked()
            early.close()
            far_other.send(b"x")
    assert reader.read == [b"x"]
    for sock in (far, far_other, reader.sock):
        sock.close()


async def test_ceasing_to_await_a_socket_of_the_same_batch(lookout: Lookout) -> None:
    (far, near), (far_other, other) = pair(), pair()
    readiness = lookout.open()

    class Narrowing(Reader):
        def act(self, fd: int, readable: bool, writable: bool) -> Next:
            self.read.append(bytes([fd]))
            for sock in (near, other):
                if sock.fileno() != fd:
                    readiness.watch(sock.fileno(), readable=False, writable=False)
            return Next.WAIT if len(self.read) < 3 else Next.OVER

    for sock in (near, other):
        readiness.watch(sock.fileno(), readable=True, writable=False)
    reader = Narrowing(near)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readiness.attend, reader)
        await wait_all_tasks_blocked()
        far.send(b"x")
        far_other.send(b"x")
        with trio.fail_after(HANG):
            while len(reader.read) < 3:
                await trio.lowlevel.checkpoint()
    assert len(set(reader.read)) == 1
    readiness.close()
    for sock in (far, near, far_other, other):
        sock.close()
