"""Sockets to named servers: every address, the one that worked first, and never one that is gone."""

from __future__ import annotations

import errno
import socket

import pytest
import trio

from emailproxy import dialling
from emailproxy.dialling import MEMORY, Dialler


class Resolver(trio.abc.HostnameResolver):
    """Answers from a table, and counts."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked = 0

    async def getaddrinfo(self, host: object, port: object, *args: object, **kwargs: object) -> list[object]:  # type: ignore[override]
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror("no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]

    async def getnameinfo(self, *args: object) -> tuple[str, str]:
        raise AssertionError


@pytest.fixture
def resolver() -> Resolver:
    return Resolver("127.0.0.1")


async def listening(address: str = "127.0.0.1", port: int = 0) -> trio.SocketListener:
    return (await trio.open_tcp_listeners(port, host=address))[0]


async def test_a_second_connection_needs_no_look_up(resolver: Resolver) -> None:
    trio.socket.set_custom_hostname_resolver(resolver)
    async with await listening() as listener:
        key = "mail.example.com", listener.socket.getsockname()[1]
        dialler = Dialler()
        assert not dialler.remembers(*key)
        with await dialler.dial(*key) as first:
            for _ in range(2):
                assert dialler.remembers(*key)
                again = await dialler.redial(*key)
                assert again is not None
                with again:
                    for sock in (first, again):
                        assert sock.getpeername() == ("127.0.0.1", key[1])
                        assert sock.getblocking() is False
                        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert resolver.asked == 1


async def test_what_is_remembered_grows_old(resolver: Resolver, mock_clock: trio.testing.MockClock) -> None:
    trio.socket.set_custom_hostname_resolver(resolver)
    async with await listening() as listener:
        key = "mail.example.com", listener.socket.getsockname()[1]
        dialler = Dialler()
        (await dialler.dial(*key)).close()
        assert dialler.remembers(*key)
        mock_clock.jump(MEMORY + 1)
        assert not dialler.remembers(*key)


async def test_a_server_that_is_gone_is_forgotten(resolver: Resolver) -> None:
    trio.socket.set_custom_hostname_resolver(resolver)
    dialler = Dialler()
    async with await listening() as old:
        key = "mail.example.com", old.socket.getsockname()[1]
        (await dialler.dial(*key)).close()
    assert dialler.remembers(*key)
    assert await dialler.redial(*key) is None
    assert not dialler.remembers(*key)


async def test_one_that_is_silent_is_forgotten_too(resolver: Resolver) -> None:
    with socket.socket() as full:  # a backlog that is full drops what comes: silence
        full.bind(("127.0.0.3", 0))
        full.listen(0)
        key = "mail.example.com", full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        dialler = Dialler()
        dialler._known[key] = dialling._Known(socket.AF_INET, full.getsockname(), trio.current_time() + 60)
        with trio.move_on_after(0.05) as scope:
            await dialler.redial(*key)
        assert scope.cancelled_caught
        assert not dialler.remembers(*key)
        for filler in fillers:
            filler.close()


async def test_there_is_work_to_do_while_the_network_connects(resolver: Resolver) -> None:
    trio.socket.set_custom_hostname_resolver(resolver)
    dialler = Dialler()
    begun: list[socket.socket] = []
    async with await listening() as listener:
        key = "mail.example.com", listener.socket.getsockname()[1]
        (await dialler.dial(*key)).close()
        with trio.fail_after(30):
            again = await dialler.redial(*key, begun.append)
        assert again is not None
        assert begun == [again]
        again.close()
    assert await dialler.redial(*key, begun.append) is None, "nobody is there any more"
    assert begun[-1].fileno() == -1, "nothing is left open"


async def test_work_that_fails_meanwhile_is_an_address_that_failed(resolver: Resolver) -> None:
    trio.socket.set_custom_hostname_resolver(resolver)
    dialler = Dialler()
    begun: list[socket.socket] = []

    def fail(sock: socket.socket) -> None:
        begun.append(sock)
        raise OSError("no")

    async with await listening() as listener:
        key = "mail.example.com", listener.socket.getsockname()[1]
        (await dialler.dial(*key)).close()
        assert await dialler.redial(*key, fail) is None
    assert begun[0].fileno() == -1


async def test_all_addresses_get_their_turn(resolver: Resolver) -> None:
    resolver.addresses = ("127.0.0.9", "127.0.0.1")  # nobody listens on the first
    trio.socket.set_custom_hostname_resolver(resolver)
    async with await listening() as listener:
        port = listener.socket.getsockname()[1]
        with await Dialler().dial("mail.example.com", port) as sock:
            assert sock.getpeername()[0] == "127.0.0.1"


async def test_nobody_answers_and_nothing_is_remembered(resolver: Resolver) -> None:
    trio.socket.set_custom_hostname_resolver(resolver)
    dialler = Dialler()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="failed"):
            await dialler.dial("mail.example.com", bound.getsockname()[1])
    resolver.addresses = ()
    with pytest.raises(socket.gaierror):
        await dialler.dial("mail.example.com", 1)
    assert not dialler._known


async def test_a_cancelled_dial_leaves_no_socket(resolver: Resolver) -> None:
    trio.socket.set_custom_hostname_resolver(resolver)
    with trio.CancelScope() as scope:
        scope.cancel()
        await Dialler().dial("mail.example.com", 1)
    assert scope.cancelled_caught


@pytest.mark.parametrize("name", ["mail..example.com", "a_ü.example", "x" * 64])
async def test_what_cannot_be_a_name_is_a_failed_connection_and_no_mistake_of_ours(name: str) -> None:
    with pytest.raises(OSError, match="is no host name"):
        await Dialler().dial(name, 993)


async def test_a_connection_that_is_reset_at_once_leaves_no_socket(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    class Reset(socket.socket):
        def getpeername(self) -> object:
            raise OSError(errno.ENOTCONN, "not connected")

        def close(self) -> None:
            closed.append(self)
            super().close()

    trio.socket.set_custom_hostname_resolver(resolver)
    async with await listening() as listener:
        monkeypatch.setattr(socket, "socket", Reset)
        with pytest.raises(OSError, match="not connected"):
            await Dialler().dial("mail.example.com", listener.socket.getsockname()[1])
    assert closed
