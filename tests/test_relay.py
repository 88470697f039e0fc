"""Two joined connections: every octet, in order, both ways; backpressure, half-close, idle deadlines, goodbye."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from emailproxy.connection import SCRATCH_SIZE, Connection, Scratch
from emailproxy.lookout import GRAIN, Lookout
from emailproxy.readiness import EachByTask, Readiness
from emailproxy.relay import LINGER, QUIET, Ending, Relay
from tests.clocks import PatientClock
from tests.patience import HANG, eventually


class Kind:
    """How the relays of the test that runs wait for their sockets."""

    readiness: Callable[[], Readiness] = EachByTask


@pytest.fixture(autouse=True, params=["one task for all", "each by tasks"])
async def kind(request: pytest.FixtureRequest, nursery: trio.Nursery) -> AsyncIterator[None]:
    async with aclosing(Lookout()) as lookout:
        Kind.readiness = lookout.open if request.param == "one task for all" else EachByTask
        nursery.start_soon(lookout.run)
        yield
        nursery.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()


@dataclass
class Joined:
    client: Connection  # the far ends: what a mail client and a mail server hold
    server: Connection
    relay: Relay
    ours: tuple[Connection, Connection]
    ending: Ending | None = None


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets, which know resets; a socketpair does not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = socket.create_connection(listener.getsockname())
        return left, listener.accept()[0]


def joined_by_tcp() -> AbstractAsyncContextManager[Joined]:
    return joined(sockets=tcp_pair)


@asynccontextmanager
async def joined(
    idle_limit: float = 1860.0,
    *,
    sockets: Callable[[], tuple[socket.socket, socket.socket]] = socket.socketpair,
) -> AsyncIterator[Joined]:
    scratch, far = Scratch(), Scratch()

    def pair() -> tuple[Connection, Connection]:
        left, right = sockets()
        left.setblocking(False)
        right.setblocking(False)
        return Connection(left, far), Connection(right, scratch)

    (client, near_client), (server, near_server) = pair(), pair()
    relay = Relay(near_client, near_server, idle_limit, readiness=Kind.readiness)
    result = Joined(client, server, relay, (near_client, near_server))

    async def run() -> None:
        await relay.run()
        result.ending = relay.ending
        near_client.close()
        near_server.close()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await trio.testing.wait_all_tasks_blocked()
            yield result
            nursery.cancel_scope.cancel()
    finally:
        for connection in (client, server, near_client, near_server):
            connection.close()


async def pump(source: Connection, sink: Connection, data: bytes) -> bytes:
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(source.send, data)
        while len(received) < len(data):
            received += await sink.receive()
    return bytes(received)


async def test_both_directions_at_once() -> None:
    up, down = os.urandom(2_000_000), os.urandom(3_000_000)
    results = {}

    async def one_way(name: str, source: Connection, sink: Connection, data: bytes) -> None:
        results[name] = await pump(source, sink, data)

    async with joined() as j:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one_way, "up", j.client, j.server, up)
            nursery.start_soon(one_way, "down", j.server, j.client, down)
        assert results == {"up": up, "down": down}
        near_client, near_server = j.ours
        assert (near_client.received, near_server.received) == (len(up), len(down))


async def test_a_reader_that_stops_stops_the_writer_and_no_one_else() -> None:
    async with joined() as j, trio.open_nursery() as nursery:
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while True:
                await j.server.send(bytes(100_000))
                sent += 100_000

        nursery.start_soon(flood)
        stuck = -1
        while sent != stuck:  # the kernel's buffers fill at their own pace
            stuck = sent
            assert sent < 1 << 28, "the relay must stop reading when the client does"
            await trio.testing.wait_all_tasks_blocked(0.05)
        assert await pump(j.client, j.server, b"up still works") == b"up still works"
        nursery.cancel_scope.cancel()


async def test_half_close_of_the_client_is_passed_on_and_the_answer_comes_back() -> None:
    async with joined() as j:
        j.client.shut_down_sending()
        assert await j.server.receive() == b""
        assert await pump(j.server, j.client, b"the rest of the download") == b"the rest of the download"
        j.server.close()
        assert await j.client.receive() == b""
        await eventually(lambda: j.ending is not None)
        assert j.ending is Ending.CLOSED


async def test_a_client_that_stays_after_the_server_closed_is_let_go(autojump_clock: PatientClock) -> None:
    async with joined() as j:
        started = trio.current_time()
        j.server.close()
        assert await j.client.receive() == b""
        while j.ending is None:
            await trio.sleep(1)
        assert LINGER <= trio.current_time() - started <= LINGER + GRAIN + 2
        assert j.ending is Ending.IDLE


@pytest.mark.parametrize(
    ("words", "ending"),
    [
        (b"* BYE Session invalidated - AccessTokenExpired\r\n", Ending.TOKEN_EXPIRED),
        (b"* BYE Connection closed. 14\r\n", Ending.CLOSED),
        (b"* 1 FETCH (BODY[] {200}\r\nAccessTokenExpired" + b"x" * 200 + b")\r\n", Ending.CLOSED),
    ],
)
async def test_a_session_that_exchange_ends_with_its_token_ends_as_it_should(words: bytes, ending: Ending) -> None:
    async with joined() as j:
        assert await pump(j.server, j.client, b"* 1 EXISTS\r\n") == b"* 1 EXISTS\r\n"
        assert await pump(j.server, j.client, words) == words
        j.server.close()
        assert await j.client.receive() == b""
        j.client.close()
        await eventually(lambda: j.ending is not None)
        assert j.ending is ending


async def test_a_broken_client_ends_both() -> None:
    async with joined() as j:
        await j.server.send(b"unread")
        await trio.testing.wait_all_tasks_blocked()
        j.client.sock.close()  # unread data makes this a reset
        for _ in range(3):
            try:
                await j.server.send(b"more")
            except OSError:
                break
            await trio.sleep(0.01)
        await eventually(lambda: j.ending is not None)
        assert j.ending is Ending.CLIENT_BROKEN


def reset(far: Connection) -> None:
    """Close so that the other side hears a reset, as it does when octets arrive that nobody will read."""
    far.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.sock.close()


@pytest.mark.parametrize(
    ("last", "ending"), [(b"* BYE\r\n1 OK\r\n", Ending.CLOSED), (b"* 1 FETCH (BODY[] {9}", Ending.SERVER_BROKEN)]
)
async def test_a_server_that_resets_after_the_client_has_left(last: bytes, ending: Ending) -> None:
    """Which is how many end a LOGOUT; in the middle of a response it is a loss all the same."""
    async with joined_by_tcp() as j:
        await j.server.send(last)
        assert await j.client.receive() == last
        j.client.shut_down_sending()
        assert await j.server.receive() == b""
        reset(j.server)
        with trio.fail_after(HANG):
            assert await j.client.receive() == b""
        assert j.ending is ending


async def test_stopping_while_it_waits_and_before_it_began() -> None:
    async with joined() as j:
        j.relay.stop()
        assert await j.client.receive() == b""
        assert j.ending is None
    socks = [*socket.socketpair(), *socket.socketpair()]
    client, server, *_ = (Connection(sock, Scratch()) for sock in socks)
    relay = Relay(client, server, 600, readiness=Kind.readiness)
    relay.stop()
    with trio.fail_after(HANG):
        await relay.run()
    for sock in socks:
        sock.close()


async def test_two_hours_of_idle_with_a_renewal_every_29_minutes(autojump_clock: PatientClock) -> None:
    async with joined() as j:
        for _ in range(5):
            await trio.sleep(29 * 60)
            assert await pump(j.client, j.server, b"DONE\r\n") == b"DONE\r\n"
        assert j.ending is None
        assert trio.current_time() > 2 * 3600


async def test_silence_beyond_the_limit_ends_the_session(autojump_clock: PatientClock) -> None:
    async with joined(idle_limit=600) as j:
        await trio.sleep(599)
        assert j.ending is None
        await trio.sleep(GRAIN + 2)
        assert j.ending is Ending.IDLE


async def test_a_download_that_never_pauses_is_not_idle(autojump_clock: PatientClock) -> None:
    """A server that is always ahead of its client: the relay never finds nothing to read."""
    async with joined(idle_limit=600) as j:
        for connection in (j.client, j.server, *j.ours):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                connection.sock.setsockopt(socket.SOL_SOCKET, option, 8 * SCRATCH_SIZE)

        async def flood() -> None:
            while True:
                await j.server.send(bytes(SCRATCH_SIZE))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            for _ in range(2000):
                await trio.sleep(1)
                assert j.client.receive_nowait(), j.ending
            nursery.cancel_scope.cancel()
        assert j.ending is None


async def test_a_client_that_never_reads_does_not_live_for_ever(autojump_clock: PatientClock) -> None:
    async with joined(idle_limit=600) as j, trio.open_nursery() as nursery:

        async def flood() -> None:
            with pytest.raises(BrokenPipeError):
                await j.server.send(bytes(8_000_000))

        nursery.start_soon(flood)
        await trio.sleep(599)
        assert j.ending is None
        await trio.sleep(2 * GRAIN)
        assert j.ending is Ending.IDLE


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_traffic_in_one_direction_keeps_the_session(autojump_clock: PatientClock, direction: str) -> None:
    async with joined(idle_limit=600) as j:
        source, sink = (j.client, j.server) if direction == "up" else (j.server, j.client)
        for _ in range(10):
            await trio.sleep(400)
            await pump(source, sink, b"x")
        assert j.ending is None


async def test_silent_since_the_server_had_the_last_word(autojump_clock: PatientClock) -> None:
    async with joined() as j:
        since = trio.current_time()
        await trio.sleep(3)
        assert j.relay.silent_since() == since, "the login was answered"
        await pump(j.client, j.server, b"a1 SEARCH ALL\r\n")
        await trio.sleep(3)
        assert j.relay.silent_since() is None, "an answer is awaited"
        await pump(j.server, j.client, b"* SEARCH 1 2")
        await trio.sleep(3)
        assert j.relay.silent_since() is None, "half a line"
        await pump(j.server, j.client, b"\r\na1 OK\r\n")
        since = trio.current_time()
        await trio.sleep(3)
        assert j.relay.silent_since() == since
        near_client, near_server = j.ours
        for far, near in ((j.client, near_client), (j.server, near_server)):
            far.sock.send(b"x")
            unread = j.relay.silent_since()
            near.sock.recv(1)
            assert unread is None, "something is there that nobody has read"


async def test_not_silent_while_octets_wait_for_a_peer(autojump_clock: PatientClock) -> None:
    async with joined() as j, trio.open_nursery() as nursery:
        nursery.start_soon(j.server.send, b"\n" * 8_000_000)
        await trio.sleep(5)
        assert j.relay.silent_since() is None
        nursery.cancel_scope.cancel()


async def test_who_listens_later_hears_what_comes_then_and_so_does_who_was_there() -> None:
    first: list[bytes] = []
    second: list[tuple[bytes, bool]] = []
    async with joined() as j:
        await pump(j.client, j.server, b"before")
        j.relay.overhear(lambda data, to_client: first.append(bytes(data)))
        await pump(j.client, j.server, b"one")
        j.relay.overhear(lambda data, to_client: second.append((bytes(data), to_client)))
        await pump(j.server, j.client, b"two")
    assert first == [b"one", b"two"]
    assert second == [(b"two", True)]


async def test_goodbye_reaches_a_client_that_waits(autojump_clock: PatientClock) -> None:
    async with joined() as j:
        await pump(j.server, j.client, b"* 1 EXISTS\r\n")
        await trio.sleep(QUIET + 1)
        j.relay.say_goodbye(b"* BYE [UNAVAILABLE] shutting down\r\n")
        assert await j.client.receive() == b"* BYE [UNAVAILABLE] shutting down\r\n"


@pytest.mark.parametrize(("last", "quiet"), [(b"* 1 FETCH (BODY[] {2000}\r\nhalf a mess", 5.0), (b"line\r\n", 0.0)])
async def test_goodbye_never_falls_into_a_response(autojump_clock: PatientClock, last: bytes, quiet: float) -> None:
    async with joined() as j:
        await pump(j.server, j.client, last)
        await trio.sleep(quiet)
        j.relay.say_goodbye(b"* BYE now\r\n")
        j.server.close()
        assert await j.client.receive() == b""


async def test_goodbye_never_falls_into_what_the_client_has_not_read_yet(autojump_clock: PatientClock) -> None:
    message = b"\n" * 8_000_000  # wherever the relay cuts it, it looks like the end of a line
    async with joined() as j, trio.open_nursery() as nursery:
        nursery.start_soon(j.server.send, message)
        await trio.sleep(QUIET + 4)
        j.relay.say_goodbye(b"* BYE now\r\n")
        received = b""
        while len(received) < len(message):
            received += await j.client.receive()
        assert received == message


async def test_a_tap_sees_what_passes() -> None:
    seen: list[tuple[bytes, bool]] = []
    scratch = Scratch()
    socks = [*socket.socketpair(), *socket.socketpair()]
    for sock in socks:
        sock.setblocking(False)
    client, near_client, server, near_server = (Connection(sock, scratch) for sock in socks)
    relay = Relay(
        near_client,
        near_server,
        600,
        lambda data, to_client: seen.append((bytes(data), to_client)),
        Kind.readiness,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(relay.run)
        await pump(client, server, b"up")
        await pump(server, client, b"down")
        nursery.cancel_scope.cancel()
    assert seen == [(b"up", False), (b"down", True)]
    for connection in (client, near_client, server, near_server):
        connection.close()
