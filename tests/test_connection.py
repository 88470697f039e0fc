"""One peer's octets: exact through plain text and TLS, whatever the kernel takes at a time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trustme

from emailproxy.connection import MAX_UNREAD, SCRATCH_SIZE, TURNS, Connection, Scratch
from tests.patience import HANG


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def contexts(ca: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    ca.configure_trust(client)
    return client, server


def pair() -> tuple[Connection, Connection]:
    scratch = Scratch()
    left, right = socket.socketpair()
    for sock in (left, right):
        sock.setblocking(False)
    return Connection(left, scratch), Connection(right, scratch)


@asynccontextmanager
async def secured(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], configure: Callable[[ssl.SSLContext], None] = lambda _: None
) -> AsyncIterator[tuple[Connection, Connection]]:
    client_context, server_context = contexts
    configure(client_context)
    left, right = pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(left.start_tls, lambda i, o: client_context.wrap_bio(i, o, server_hostname="localhost"))
        nursery.start_soon(right.start_tls, lambda i, o: server_context.wrap_bio(i, o, server_side=True))
    yield left, right
    left.close()
    right.close()


async def receive_all(connection: Connection) -> bytes:
    received = b""
    while data := await connection.receive():
        received += data
    return received


async def exchange(left: Connection, right: Connection, data: bytes) -> bytes:
    async def send() -> None:
        await left.send(data)
        left.shut_down_sending()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        return await receive_all(right)


@pytest.mark.parametrize("size", [1, 16_384, 16_385, SCRATCH_SIZE, 3_000_000])
async def test_plain_text_arrives_exactly(size: int) -> None:
    left, right = pair()
    data = os.urandom(size)
    assert hashlib.sha256(await exchange(left, right, data)).digest() == hashlib.sha256(data).digest()
    assert (left.sent, right.received) == (size, size)
    left.close()
    right.close()


@pytest.mark.parametrize("size", [1, 16_384, 16_385, SCRATCH_SIZE, SCRATCH_SIZE + 1, 3_000_000])
async def test_tls_arrives_exactly(contexts: tuple[ssl.SSLContext, ssl.SSLContext], size: int) -> None:
    data = os.urandom(size)
    async with secured(contexts) as (left, right):
        assert left.tls is not None
        assert await exchange(left, right, data) == data
        assert (left.sent, right.received) == (size, size)


async def test_tls_both_ways_at_once(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    data = os.urandom(1_000_000)
    async with secured(contexts) as (left, right), trio.open_nursery() as nursery:
        results: dict[str, bytes] = {}

        async def one_way(name: str, source: Connection, sink: Connection) -> None:
            results[name] = await exchange(source, sink, data)

        nursery.start_soon(one_way, "right", left, right)
        await one_way("left", right, left)
    assert results == {"left": data, "right": data}


async def test_a_shut_down_side_still_receives(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with secured(contexts) as (left, right):
        left.shut_down_sending()
        assert await right.receive() == b""
        assert await right.receive() == b"", "the end stays the end"
        await right.send(b"still here")
        assert await left.receive() == b"still here"


async def test_end_without_close_notify_is_an_end(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with secured(contexts) as (left, right):
        left.sock.shutdown(socket.SHUT_WR)
        assert await right.receive() == b""


async def test_data_before_the_end_comes_first(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with secured(contexts) as (left, right):
        await left.send(b"last words")
        left.shut_down_sending()
        with trio.fail_after(HANG):
            assert await right.receive() == b"last words"
            assert await right.receive() == b""


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_end_said_in_one_breath_with_data_is_announced(
    ca: trustme.CA, contexts: tuple[ssl.SSLContext, ssl.SSLContext], newest: ssl.TLSVersion
) -> None:
    """Data and close_notify in one segment, and no FIN behind them: the socket will not turn readable again."""
    client = ssl.create_default_context()
    ca.configure_trust(client)
    client.maximum_version = newest
    async with secured((client, contexts[1])) as (left, right):
        while left.receive_nowait() is not None:
            pass  # session tickets
        assert right.tls is not None
        right.tls.write(b"* BYE\r\n")
        with contextlib.suppress(ssl.SSLWantReadError):
            right.tls.unwrap()
        right.sock.send(right._outgoing.read())
        assert bytes(left.receive_nowait() or b"") == b"* BYE\r\n"
        assert not left.drained, "else the relay waits for what has come already"
        end = left.receive_nowait()
        assert end is not None
        assert not len(end)


async def test_a_peer_that_asks_for_new_keys_and_reads_nothing_fills_no_memory(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Python cannot ask for new keys, so the TLS state here is one that answers whatever it reads, as OpenSSL does."""
    async with secured(contexts) as (left, right):
        while left.receive_nowait() is not None:
            pass  # session tickets

        class Answering:
            def read(self, size: int, buffer: memoryview) -> int:
                left._outgoing.write(bytes(26 * (len(left._incoming.read()) // 26)))
                raise ssl.SSLWantReadError

            def pending(self) -> int:
                return 0

            def unwrap(self) -> None: ...

        left._tls = Answering()  # type: ignore[assignment]
        fed = 0
        with pytest.raises(ConnectionAbortedError):
            while fed < 64 * MAX_UNREAD:
                fed += right.sock.send(bytes(SCRATCH_SIZE))
                assert left.receive_nowait() is None
        assert len(left._rest) <= MAX_UNREAD + SCRATCH_SIZE


async def test_nothing_there_is_none_and_not_the_end(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    left, right = pair()
    assert right.receive_nowait() is None
    left.close()
    assert bytes(right.receive_nowait() or b"?") == b"?", "an empty view is falsy"
    right.close()
    async with secured(contexts) as (left, right):
        await trio.testing.wait_all_tasks_blocked()
        while right.receive_nowait() is not None:
            pass
        assert right.receive_nowait() is None


async def test_records_left_over_by_a_full_buffer_are_announced(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """A record in two parts, then just less than a buffer: more than fits, and no octet left in the kernel."""
    total = SCRATCH_SIZE + 200
    async with secured(contexts) as (left, right):
        for sock in (left.sock, right.sock):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * SCRATCH_SIZE)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * SCRATCH_SIZE)
        while left.receive_nowait() is not None:
            pass  # session tickets
        assert right.tls is not None
        wire = b""
        for start in range(0, total, 16_384):
            right.tls.write(bytes(min(16_384, total - start)))
            wire += right._outgoing.read()
        cut = len(wire) - (SCRATCH_SIZE - 100)
        assert 0 < cut < 16_384
        right.sock.send(wire[:cut])
        assert left.receive_nowait() is None
        assert right.sock.send(wire[cut:]) == len(wire) - cut
        first = len(left.receive_nowait() or b"")
        assert first < total
        assert not left.drained, "else the relay waits for a socket that never turns readable"
        assert first + len(left.receive_nowait() or b"") == total


async def test_a_full_kernel_keeps_the_rest_in_order() -> None:
    left, right = pair()
    data = os.urandom(SCRATCH_SIZE)
    accepted = 0
    while left.send_nowait(data):
        accepted += 1
    assert not left.flush_nowait()
    expected = data * (accepted + 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(left.flush)
        received = b""
        while len(received) < len(expected):
            received += await right.receive()
    assert received == expected
    left.close()
    right.close()


async def test_a_cancelled_receive_loses_nothing() -> None:
    left, right = pair()
    with trio.move_on_after(0.01) as scope:
        await right.receive()
    assert scope.cancelled_caught
    await left.send(b"late")
    assert await right.receive() == b"late"
    left.close()
    right.close()


async def test_an_untrusted_certificate_fails_the_handshake(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    _, server_context = contexts
    left, right = pair()
    stranger = ssl.create_default_context()

    async def serve() -> None:
        with pytest.raises(ssl.SSLError):
            await right.start_tls(lambda i, o: server_context.wrap_bio(i, o, server_side=True))
            await right.receive()  # TLS 1.3 tells the server behind its own handshake

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        with pytest.raises(ssl.SSLCertVerificationError):
            await left.start_tls(lambda i, o: stranger.wrap_bio(i, o, server_hostname="localhost"))
    left.close()
    right.close()


async def test_a_peer_that_leaves_during_the_handshake(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    _, server_context = contexts
    left, right = pair()
    left.close()
    with pytest.raises(OSError, match=r"handshake|reset"):
        await right.start_tls(lambda i, o: server_context.wrap_bio(i, o, server_side=True))
    right.close()


async def test_close_repeats_and_tells_the_peer() -> None:
    left, right = pair()
    right.close()
    right.close()
    assert await left.receive() == b""
    left.close()


async def test_a_flood_lets_others_run() -> None:
    left, right = pair()
    others = 0

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for count in range(1, 4 * TURNS + 1):
            left.sock.send(b"NOOP\r\n")
            assert await right.receive() == b"NOOP\r\n"
            assert others >= count // TURNS - 1  # in each turn, one of the two is first
        nursery.cancel_scope.cancel()
    left.close()
    right.close()


async def test_an_idle_connection_owns_no_buffer() -> None:
    left, right = pair()
    sizes = [
        len(getattr(left, name))
        for name in Connection.__slots__
        if isinstance(getattr(left, name, None), bytes | bytearray)
    ]
    assert sum(sizes) == 0
    left.close()
    right.close()
