"""What is remembered of mail servers, and what a failure to reach one says to the operator."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest
import trio
import trustme

from emailproxy.config import MailProtocol, MailServer
from emailproxy.connection import Scratch
from emailproxy.secret import Secret
from emailproxy.tls import UpstreamTls
from emailproxy.upstream import (
    KNOWN_FOR,
    LOGIN_LIMIT,
    PROBE_LIMIT,
    ClientHello,
    UpstreamRefusedError,
    UpstreamServers,
    UpstreamUnavailableError,
)
from tests.clocks import PatientClock
from tests.patience import HANG, eventually

from .conftest import FreePort
from .scripted import ScriptedServer, serving

TOKEN = Secret("good-token")


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def upstreams(ca: trustme.CA) -> UpstreamServers:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return UpstreamServers(UpstreamTls(context), Scratch())


@pytest.mark.parametrize("protocol", list(MailProtocol))
@pytest.mark.parametrize("starttls", [False, True])
async def test_a_probe_learns_what_the_server_offers_under_tls(
    protocol: MailProtocol, starttls: bool, upstreams: UpstreamServers, server_tls: ssl.SSLContext
) -> None:
    def change(server: ScriptedServer) -> None:
        server.starttls = starttls

    async with serving(protocol, server_tls, change) as scripted:
        server = destination(scripted)
        assert upstreams.capabilities(server) == ()
        await upstreams.probe(server)
        expected = {MailProtocol.IMAP: "SASL-IR", MailProtocol.POP: "UIDL", MailProtocol.SMTP: "PIPELINING"}[protocol]
        assert expected in upstreams.capabilities(server)
        await closed(scripted)
        assert scripted.heard[-1].split()[-1] in {b"LOGOUT", b"QUIT"}, "politely"


async def test_a_login_learns_too_and_the_next_one_resumes_tls(
    upstreams: UpstreamServers, server_tls: ssl.SSLContext
) -> None:
    async with serving(MailProtocol.IMAP, server_tls) as scripted:
        server = destination(scripted)
        reused = []
        for _ in range(3):
            joined = await upstreams.log_in(server, "user@example.com", TOKEN, ClientHello())
            assert joined.connection.tls is not None
            reused.append(joined.connection.tls.session_reused)
            joined.connection.close()
        assert "SASL-IR" in upstreams.capabilities(server)
        assert reused == [False, True, True]


@pytest.mark.parametrize(("protocol", "question"), [(MailProtocol.IMAP, b"CAPABILITY"), (MailProtocol.POP, b"CAPA")])
async def test_what_a_server_offers_is_asked_for_once_in_a_while(
    protocol: MailProtocol, question: bytes,
    upstreams: UpstreamServers, server_tls: ssl.SSLContext, autojump_clock: PatientClock,
) -> None:  # fmt: skip
    async with serving(protocol, server_tls) as scripted:
        server = MailServer(protocol, "127.0.0.1", scripted.port)  # a look-up's thread would let the clock jump

        def asked() -> int:
            times = sum(question in line.split() for line in scripted.heard)
            scripted.heard.clear()
            return times

        async def log_in(token: Secret = TOKEN) -> None:
            (await upstreams.log_in(server, "user@example.com", token, ClientHello())).connection.close()

        await log_in()
        assert asked() == 1
        await log_in()
        await trio.sleep(KNOWN_FOR - 1)
        await log_in()
        assert asked() == 0
        assert upstreams.capabilities(server), "still"
        await trio.sleep(2)
        await log_in()
        assert asked() == 1, "five minutes after the last question, not after the last login"
        with pytest.raises(UpstreamRefusedError):
            await log_in(Secret("bad"))
        assert asked() == 0
        await log_in()
        assert asked() == 1, "it may have been what was remembered that failed"


async def test_nothing_is_remembered_of_a_server_that_hung_up(
    upstreams: UpstreamServers, server_tls: ssl.SSLContext
) -> None:
    firsts: list[bytes] = []

    async def talk(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await stream.send_all(b"* OK hi\r\n")
        command = bytes(await stream.receive_some())
        firsts.append(command.split()[1])
        if firsts[-1] == b"CAPABILITY":
            await stream.send_all(b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2\r\nA1 OK\r\n")
            await stream.receive_some()
            await stream.send_all(b"A2 OK [CAPABILITY IMAP4rev1] welcome\r\n")

    server = MailServer(MailProtocol.IMAP, "127.0.0.1", await dialogue(talk, server_tls))
    (await upstreams.log_in(server, "user@example.com", TOKEN, ClientHello())).connection.close()
    with pytest.raises(UpstreamUnavailableError):
        await upstreams.log_in(server, "user@example.com", TOKEN, ClientHello())
    (await upstreams.log_in(server, "user@example.com", TOKEN, ClientHello())).connection.close()
    assert firsts == [b"CAPABILITY", b"AUTHENTICATE", b"CAPABILITY"]


@pytest.mark.parametrize("fate", ["silent", "refusing"])
async def test_an_address_that_moved_costs_its_head_start_at_the_most(
    fate: str, upstreams: UpstreamServers, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emailproxy.upstream.HEAD_START", 0.05)
    async with serving(MailProtocol.IMAP, server_tls) as scripted:
        server = destination(scripted)
        await upstreams.probe(server)
        key = server.address, server.port
        with contextlib.ExitStack() as sockets:
            gone = sockets.enter_context(socket.socket())
            gone.bind(("127.0.0.3", 0))
            if fate == "silent":  # a backlog that is full drops what comes
                gone.listen(0)
                for _ in range(4):
                    filler = sockets.enter_context(socket.socket())
                    filler.setblocking(False)
                    filler.connect_ex(gone.getsockname())
            known = upstreams._dialler._known
            known[key] = dataclasses.replace(known[key], family=socket.AF_INET, address=gone.getsockname())
            with trio.fail_after(HANG):
                joined = await upstreams.log_in(server, "user@example.com", TOKEN, ClientHello())
        joined.connection.close()
        assert known[key].address[1] == server.port


async def test_a_refusal_carries_the_servers_words_and_challenge(
    upstreams: UpstreamServers, server_tls: ssl.SSLContext
) -> None:
    async with serving(MailProtocol.IMAP, server_tls) as scripted:
        with pytest.raises(UpstreamRefusedError, match=r"AUTHENTICATE failed.*challenge .*400") as caught:
            await upstreams.log_in(destination(scripted), "user@example.com", Secret("bad"), ClientHello())
        assert not caught.value.refused.temporary
        await closed(scripted)


def destination(scripted: ScriptedServer) -> MailServer:
    server = scripted.configured().mail_server
    assert server is not None
    return server


async def closed(scripted: ScriptedServer) -> None:
    await eventually(lambda: not scripted.live)


async def dialogue(talk: Callable[[trio.SSLStream[trio.SocketStream]], Awaitable[None]], tls: ssl.SSLContext) -> int:
    """A server that does `talk`; returns its port. Runs in the caller's system nursery until the test's end."""

    async def serve(stream: trio.SocketStream) -> None:
        secured = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        try:
            await secured.do_handshake()
            await talk(secured)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        await trio.aclose_forcefully(secured)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    trio.lowlevel.spawn_system_task(trio.serve_listeners, serve, listeners)
    return int(listeners[0].socket.getsockname()[1])


async def silent(stream: trio.SSLStream[trio.SocketStream]) -> None:
    await trio.sleep_forever()


async def busy(stream: trio.SSLStream[trio.SocketStream]) -> None:
    await stream.send_all(b"* BYE too many connections\r\n")


async def cut_off(stream: trio.SSLStream[trio.SocketStream]) -> None:
    await stream.send_all(b"* OK rea")


@pytest.mark.parametrize(
    ("talk", "words"), [(busy, "too many connections"), (cut_off, "127.0.0.1"), (silent, "did not answer in time")]
)
async def test_a_server_that_does_not_let_us_in(
    talk: Callable[[trio.SSLStream[trio.SocketStream]], Awaitable[None]], words: str,
    upstreams: UpstreamServers, server_tls: ssl.SSLContext, autojump_clock: PatientClock,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    port = await dialogue(talk, server_tls)
    # Not by name: a look-up runs in a thread, which a jumping clock does not wait for.
    server = MailServer(MailProtocol.IMAP, "127.0.0.1", port)
    started = trio.current_time()
    with pytest.raises(UpstreamUnavailableError, match=words) as caught:
        await upstreams.log_in(server, "user@example.com", TOKEN, ClientHello())
    assert f"127.0.0.1:{port}" in str(caught.value)
    if talk is silent:
        assert trio.current_time() - started == pytest.approx(LOGIN_LIMIT, abs=1)
        await upstreams.probe(server)
        assert trio.current_time() - started == pytest.approx(LOGIN_LIMIT + PROBE_LIMIT, abs=1)
        assert "IMAP logins there will fail until it answers" in caplog.text


async def test_an_untrusted_server_is_named_with_the_reason(server_tls: ssl.SSLContext) -> None:
    async with serving(MailProtocol.IMAP, server_tls) as scripted:
        strangers = UpstreamServers(UpstreamTls(), Scratch())
        with pytest.raises(UpstreamUnavailableError, match=r"localhost:\d+ .*certificate verify failed"):
            await strangers.log_in(destination(scripted), "user@example.com", TOKEN, ClientHello())


async def test_a_probe_of_a_server_that_is_down_is_a_log_line(
    upstreams: UpstreamServers, caplog: pytest.LogCaptureFixture, free_port: FreePort
) -> None:
    caplog.set_level(logging.WARNING)
    port = free_port()
    await upstreams.probe(MailServer(MailProtocol.IMAP, "127.0.0.1", port))
    assert f"127.0.0.1:{port} cannot be reached: " in caplog.text
    assert "Connection refused" in caplog.text
