"""Two sockets, one wait: what is awaited is told, what is not awaited is not, and a broken peer always."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

import pytest
import trio

from emailproxy.readiness import EachByTask, Readiness, open_readiness


@pytest.fixture(params=[open_readiness, EachByTask], ids=["one descriptor", "two tasks"])
def readiness(request: pytest.FixtureRequest) -> Iterator[Readiness]:
    made: Callable[[], Readiness] = request.param
    opened = made()
    yield opened
    opened.close()


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


async def test_whichever_comes_first(readiness: Readiness, sockets: list[socket.socket]) -> None:
    far, near, far_other, other = sockets
    readiness.watch(near.fileno(), readable=True, writable=False)
    readiness.watch(other.fileno(), readable=True, writable=False)
    far.send(b"x")
    assert await readiness.wait() == [(near.fileno(), True, False)]
    assert await readiness.wait() == [(near.fileno(), True, False)], "what was not read is told again"
    near.recv(1)
    far_other.send(b"x")
    assert await readiness.wait() == [(other.fileno(), True, False)]


async def test_what_is_not_awaited_is_not_told(readiness: Readiness, sockets: list[socket.socket]) -> None:
    far, near, _, other = sockets
    readiness.watch(near.fileno(), readable=True, writable=False)
    readiness.watch(other.fileno(), readable=False, writable=True)
    far.send(b"x")
    readiness.watch(near.fileno(), readable=False, writable=False)
    assert await readiness.wait() == [(other.fileno(), False, True)]
    readiness.watch(other.fileno(), readable=False, writable=False)
    assert await readiness.wait(patient=False) == []
    with trio.move_on_after(0.05) as scope:
        await readiness.wait()
    assert scope.cancelled_caught
    readiness.watch(near.fileno(), readable=True, writable=False)
    assert await readiness.wait(patient=False) == [(near.fileno(), True, False)]


async def test_a_connection_that_broke_is_told(readiness: Readiness, sockets: list[socket.socket]) -> None:
    far, near, _, _ = sockets
    readiness.watch(near.fileno(), readable=True, writable=False)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    with trio.fail_after(5):
        ((fd, readable, _),) = await readiness.wait()
    assert fd == near.fileno()
    assert readable


async def test_cancelling_a_wait_loses_nothing(readiness: Readiness, sockets: list[socket.socket]) -> None:
    far, near, _, _ = sockets
    readiness.watch(near.fileno(), readable=True, writable=False)
    with trio.move_on_after(0.02):
        await readiness.wait()
    far.send(b"x")
    with trio.fail_after(5):
        assert await readiness.wait() == [(near.fileno(), True, False)]
