"""Binding what the configuration means, limits, and a fence that no session's mistake passes."""

from __future__ import annotations

import errno
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
import trio
import trustme

from emailproxy.activation import Inherited
from emailproxy.audience import Nobody
from emailproxy.binding import Bound, looked_up
from emailproxy.config import Account, Config, MailProtocol, Server, Settings
from emailproxy.connection import Scratch
from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.listener import BindError, Listener, ListenerSet
from emailproxy.login import Services
from emailproxy.oauth.tokens import AccessToken
from emailproxy.protocols.proofs import Proof
from emailproxy.secret import Secret
from emailproxy.throttle import Throttle
from emailproxy.tls import UpstreamTls
from emailproxy.upstream import UpstreamServers
from tests.clocks import PatientClock
from tests.patience import eventually

from .conftest import FreePort

SERVER = Server("IMAP-1993", MailProtocol.IMAP, 0, "imap.example.com", 993, local_address="127.0.0.1")


class BrokenTokens:
    """A broker with a mistake in it."""

    def at_hand(
        self, account: Account, password: Secret, *, client: str = "", server: Server | None = None
    ) -> AccessToken | None:
        return None

    async def prove(self, account: Account, proof: Proof, *, client: str, server: Server) -> tuple[Secret, bytes]:
        await trio.lowlevel.checkpoint()
        raise LoginFailed(Failure(FailureKind.WRONG_CREDENTIALS, "Wrong.", "no proof is right"))

    def vouch(self, account: Account) -> Secret:
        return Secret("pass")

    async def refuse_unknown(self, user: str, password: Secret, *, client: str = "") -> NoReturn:
        await trio.lowlevel.checkpoint()
        raise LoginFailed(Failure(FailureKind.WRONG_CREDENTIALS, "Wrong.", f"no account {user}"))

    async def token(
        self,
        account: Account,
        password: Secret,
        *,
        refused: AccessToken | None = None,
        client: str = "",
        server: Server | None = None,
    ) -> AccessToken:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError("a mistake of ours")


def services(**settings: object) -> Services:
    account = Account("u@example.com", "u@example.com", "password", "https://example.com")
    config = Config(Path("c"), (), {account.name: account}, settings=Settings(**settings))  # type: ignore[arg-type]
    return Services(lambda: config, BrokenTokens(), UpstreamServers(UpstreamTls(), Scratch()), Throttle())


@asynccontextmanager
async def listening(server: Server = SERVER, **settings: object) -> AsyncIterator[Listener]:
    async with trio.open_nursery() as nursery:
        listener = Listener(server, services(**settings), Scratch(), nursery)
        await listener.bind()
        nursery.start_soon(listener.accept)
        yield listener
        listener.stop()
        nursery.cancel_scope.cancel()


async def greeting(listener: Listener) -> tuple[trio.SocketStream, bytes]:
    stream = await trio.open_tcp_stream(*listener.addresses[0])
    return stream, bytes(await stream.receive_some())


async def test_absent_address_means_every_interface_of_both_families(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with listening(replace(SERVER, local_address=None)) as listener:
        hosts = [host for host, _ in listener.addresses]
        assert "0.0.0.0" in hosts
        if socket.has_ipv6 and Path("/proc/net/if_inet6").exists():
            assert "::" in hosts
            stream = await trio.open_tcp_stream("::1", listener.addresses[0][1])
            await stream.aclose()
        assert len({port for _, port in listener.addresses}) == 1
        for host, port in listener.addresses:
            shown = f"[{host}]" if ":" in host else host
            assert f"IMAP-1993 listening on {shown}:{port} (no TLS) for imap.example.com:993 (TLS)" in caplog.text


async def test_a_taken_port_names_section_address_and_remedy() -> None:
    async with listening() as first, trio.open_nursery() as nursery:
        taken = replace(SERVER, local_port=first.addresses[0][1])
        with pytest.raises(BindError, match=r"\[IMAP-1993\] cannot listen on 127\.0\.0\.1 port \d+: .*another program"):
            await Listener(taken, services(), Scratch(), nursery).bind()


@pytest.mark.parametrize("name", ["no such name", "not..encodable", "a_ü.example"])
async def test_a_name_without_an_address(name: str) -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(BindError, match="use an IP address"):
            await Listener(replace(SERVER, local_address=name), services(), Scratch(), nursery).bind()


async def test_too_many_connections_are_told_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(max_connections=2) as listener:
        first, words = await greeting(listener)
        assert words.startswith(b"* OK")
        second, _ = await greeting(listener)
        third, words = await greeting(listener)
        assert words.startswith(b"* BYE [LIMIT] Too many connections")
        assert await third.receive_some() == b""
        assert "max_connections" in caplog.text
        await first.aclose()
        await eventually(lambda: len(listener.sessions) != 2)
        fourth, words = await greeting(listener)
        assert words.startswith(b"* OK")
        for stream in (second, third, fourth):
            await stream.aclose()


class _Counting(Nobody):
    def __init__(self) -> None:
        self.refused: list[tuple[str, str, FailureKind]] = []

    def connection_refused(self, server: Server, client: str, failure: Failure) -> None:
        self.refused.append((server.section, client, failure.kind))


async def test_the_audience_hears_of_a_refused_connection() -> None:
    audience = _Counting()
    async with trio.open_nursery() as nursery:
        listener = Listener(SERVER, replace(services(max_connections=1), audience=audience), Scratch(), nursery)
        await listener.bind()
        nursery.start_soon(listener.accept)
        first, _ = await greeting(listener)
        second, _ = await greeting(listener)
        assert audience.refused == [("IMAP-1993", "127.0.0.1", FailureKind.LIMIT)]
        await first.aclose()
        await second.aclose()
        listener.stop()
        nursery.cancel_scope.cancel()


async def test_loopback_has_no_limit_for_each_address() -> None:
    async with listening(max_connections_per_address=1) as listener:
        streams = [(await greeting(listener))[0] for _ in range(3)]
        assert len(listener.sessions) == 3
        for stream in streams:
            await stream.aclose()


async def test_the_fence_keeps_a_mistake_in_one_session(caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as listener:
        other, _ = await greeting(listener)
        stream, _ = await greeting(listener)
        await stream.send_all(b"a LOGIN u@example.com pass\r\n")
        assert await stream.receive_some() == b""
        assert "ended by a mistake in emailproxy" in caplog.text
        assert "pass" not in caplog.text.replace("password", "")
        await other.send_all(b"a NOOP\r\n")
        assert (await other.receive_some()).startswith(b"a OK")
        assert len(listener.sessions) == 1
        await stream.aclose()
        await other.aclose()


class _Troubled:
    """A listening socket whose next connections are lost before we have them."""

    def __init__(self, sock: socket.socket, troubles: list[int]) -> None:
        self._sock = sock
        self._troubles = troubles

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        if self._troubles:
            raise OSError(self._troubles.pop(), "lost")
        return self._sock.accept()


async def test_a_connection_that_is_lost_before_it_is_ours_ends_nothing() -> None:
    troubles = [errno.EHOSTUNREACH, errno.ECONNABORTED, errno.ENETUNREACH, errno.EPROTO, errno.EOPNOTSUPP]
    async with trio.open_nursery() as nursery:
        listener = Listener(SERVER, services(), Scratch(), nursery)
        await listener.bind()
        listener._sockets[0] = _Troubled(listener._sockets[0], troubles)  # type: ignore[call-overload]
        nursery.start_soon(listener.accept)
        stream, greeted = await greeting(listener)
        assert not troubles
        assert greeted.startswith(b"* OK")
        await stream.aclose()
        listener.stop()
        nursery.cancel_scope.cancel()


async def test_each_connection_sends_at_once_and_notices_a_silent_peer() -> None:
    async with trio.open_nursery() as nursery:
        listener = Listener(SERVER, services(), Scratch(), nursery)
        await listener.bind()
        nursery.start_soon(listener.accept)
        stream, _ = await greeting(listener)
        (session,) = listener.sessions
        sock = session._client.sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        await stream.aclose()
        listener.stop()
        nursery.cancel_scope.cancel()


async def test_stop_frees_the_address_and_leaves_sessions() -> None:
    async with trio.open_nursery() as nursery:
        listener = Listener(SERVER, services(), Scratch(), nursery)
        await listener.bind()
        host, port = listener.addresses[0]
        nursery.start_soon(listener.accept)
        stream, _ = await greeting(listener)
        listener.stop()
        listener.stop()
        with pytest.raises(OSError, match="failed"):
            await trio.open_tcp_stream(host, port)
        await stream.send_all(b"a NOOP\r\n")
        assert (await stream.receive_some()).startswith(b"a OK")
        await stream.aclose()


def certificate(ca: trustme.CA, folder: Path) -> Path:
    path = folder / "server.pem"
    path.unlink(missing_ok=True)
    for blob in (leaf := ca.issue_cert("localhost")).private_key_pem, *leaf.cert_chain_pems:
        blob.write_to_path(str(path), append=True)
    return path


async def test_a_set_follows_the_configuration(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, free_port: FreePort
) -> None:
    caplog.set_level(logging.INFO)
    path = certificate(trustme.CA(), tmp_path)
    ports = [free_port() for _ in range(3)]
    stays, goes, comes = (replace(SERVER, local_port=port, section=f"IMAP-{port}") for port in ports)
    async with trio.open_nursery() as sessions, trio.open_nursery() as accepting:
        listeners = ListenerSet(services(), Scratch(), sessions, accepting)
        await listeners.apply([stays, goes])
        live = await trio.open_tcp_stream("127.0.0.1", goes.local_port)
        await live.receive_some()
        changed = replace(stays, server_address="other.example.com", local_certificate_path=path, local_key_path=path)
        await listeners.apply([changed, comes])
        assert sorted((server.server_address, port) for server, _, port in listeners.addresses) == sorted(
            [("other.example.com", stays.local_port), ("imap.example.com", comes.local_port)]
        )
        with pytest.raises(OSError, match="failed"):
            await trio.open_tcp_stream("127.0.0.1", goes.local_port)
        await live.send_all(b"a NOOP\r\n")
        assert (await live.receive_some()).startswith(b"a OK"), "a live session outlives its listener"
        assert listeners.live == 1
        # A certificate that cannot be used changes nothing.
        path.write_text("garbage")
        await listeners.apply([changed, comes])
        assert "local_certificate_path cannot be used" in caplog.text
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        tls = await trio.open_ssl_over_tcp_stream("127.0.0.1", stays.local_port, ssl_context=context)
        await tls.do_handshake()
        assert (await tls.receive_some()).startswith(b"* OK")
        await trio.aclose_forcefully(tls)
        failure = Failure(FailureKind.SHUTTING_DOWN, "Shutting down.", "x")
        listeners.end_sessions(failure, logged_in=False)
        assert (await live.receive_some()).startswith(b"* BYE [UNAVAILABLE] Shutting down.")
        listeners.stop()
        sessions.cancel_scope.cancel()
    await live.aclose()


async def test_a_set_takes_over_what_is_bound(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, free_port: FreePort
) -> None:
    good, faulty, foreign = (replace(SERVER, local_port=free_port(), section=f"IMAP-{number}") for number in range(3))
    (tmp_path / "garbage").write_text("garbage")
    faulty = replace(faulty, local_certificate_path=tmp_path / "garbage")
    with closing(Bound.of(looked_up([good, faulty]))) as bound:
        waiting = await trio.open_tcp_stream("127.0.0.1", good.local_port)
        async with trio.open_nursery() as sessions, trio.open_nursery() as accepting:
            listeners = ListenerSet(services(), Scratch(), sessions, accepting)
            listeners.adopt([good, faulty, foreign], bound)
            assert not bound
            assert [server.section for server, _, _ in listeners.addresses] == [good.section]
            assert (await waiting.receive_some()).startswith(b"* OK"), "it came before there was a listener"
            assert f"[{faulty.section}] local_certificate_path cannot be used" in caplog.text
            with pytest.raises(OSError, match="failed"):
                await trio.open_tcp_stream("127.0.0.1", faulty.local_port)
            await waiting.aclose()
            listeners.stop()


class _SlowResolver(trio.abc.HostnameResolver):
    """Looks every name up after a second, and finds this machine."""

    async def getaddrinfo(self, host: object, port: object, *args: object, **kwargs: object) -> list[object]:  # type: ignore[override]
        await trio.sleep(1)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def getnameinfo(self, *args: object) -> tuple[str, str]:
        raise AssertionError


async def test_a_reload_while_names_are_looked_up_comes_behind_it(
    autojump_clock: PatientClock, caplog: pytest.LogCaptureFixture, free_port: FreePort
) -> None:
    trio.socket.set_custom_hostname_resolver(_SlowResolver())
    stays, goes = (replace(SERVER, local_port=free_port(), local_address="mail.lan") for _ in range(2))
    async with trio.open_nursery() as sessions, trio.open_nursery() as accepting:
        listeners = ListenerSet(services(), Scratch(), sessions, accepting)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listeners.apply, [stays, goes])
            await trio.testing.wait_all_tasks_blocked()
            await listeners.apply([stays])
        assert [port for _, _, port in listeners.addresses] == [stays.local_port]
        assert "cannot listen" not in caplog.text
        listeners.stop()


async def test_a_stop_while_names_are_looked_up_opens_nothing(
    autojump_clock: PatientClock, free_port: FreePort
) -> None:
    trio.socket.set_custom_hostname_resolver(_SlowResolver())
    servers = [replace(SERVER, local_port=free_port(), local_address="mail.lan") for _ in range(2)]
    async with trio.open_nursery() as sessions, trio.open_nursery() as accepting:
        listeners = ListenerSet(services(), Scratch(), sessions, accepting)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listeners.apply, servers)
            await trio.sleep(1.5)
            listeners.stop()
        assert listeners.addresses == []


async def test_a_thousand_reloads_keep_nothing() -> None:
    async with trio.open_nursery() as sessions, trio.open_nursery() as accepting:
        listeners = ListenerSet(services(), Scratch(), sessions, accepting)
        for _ in range(1_000):
            await listeners.apply([SERVER])
            await listeners.apply([])
        await trio.testing.wait_all_tasks_blocked()
        assert not listeners._stopped
        assert not accepting.child_tasks


async def test_a_socket_that_was_bound_already_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        inherited = Inherited([(SERVER.section, held.dup())])
        async with trio.open_nursery() as sessions, trio.open_nursery() as accepting:
            listeners = ListenerSet(services(), Scratch(), sessions, accepting, inherited)
            for _ in range(2):  # a reload that brings it back gets the same one
                await listeners.apply([SERVER])
                assert [port for _, _, port in listeners.addresses] == [held.getsockname()[1]]
                stream = await trio.open_tcp_stream("127.0.0.1", held.getsockname()[1])
                assert (await stream.receive_some()).startswith(b"* OK")
                await stream.aclose()
                await listeners.apply([])
            sessions.cancel_scope.cancel()
            accepting.cancel_scope.cancel()
        inherited.close()


async def test_certificates_are_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ca = trustme.CA()
    paths = {}
    for name, host in (("old", "old.example.com"), ("new", "new.example.com")):
        paths[name] = ca.issue_cert(host).private_key_and_cert_chain_pem.bytes()
    path = tmp_path / "both.pem"
    path.write_bytes(paths["old"])
    server = replace(SERVER, local_certificate_path=path)

    async def name_seen() -> str:
        port = listeners.addresses[0][2]
        context = ssl.create_default_context()
        ca.configure_trust(context)
        context.check_hostname = False
        async with await trio.open_ssl_over_tcp_stream("127.0.0.1", port, ssl_context=context) as stream:
            await stream.do_handshake()
            found: dict[str, Any] = stream.getpeercert()
        return str(found["subjectAltName"][0][1])

    async with trio.open_nursery() as sessions, trio.open_nursery() as accepting:
        listeners = ListenerSet(services(), Scratch(), sessions, accepting)
        await listeners.apply([server])
        assert await name_seen() == "old.example.com"
        path.write_text("half a cert")
        await listeners.renew()
        assert "local_certificate_path cannot be used" in caplog.text
        assert await name_seen() == "old.example.com"
        path.write_bytes(paths["new"])
        await listeners.renew()
        assert await name_seen() == "new.example.com"
        sessions.cancel_scope.cancel()
        accepting.cancel_scope.cancel()
