"""A load balancer introduces its clients: to the listener, its limits and its log."""

from __future__ import annotations

import logging
from dataclasses import replace
from ipaddress import ip_network

import pytest
import trio

from emailproxy import introduction as module
from emailproxy.introduction import is_trusted
from emailproxy.listener import Listener
from tests.patience import eventually

from .test_listener import SERVER, listening

BALANCED = replace(SERVER, proxy_protocol_from=(ip_network("127.0.0.0/8"), ip_network("::1")))
CLIENT = b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 993\r\n"


async def connect(listener: Listener, header: bytes) -> tuple[trio.SocketStream, bytes]:
    stream = await trio.open_tcp_stream(*listener.addresses[0])
    await stream.send_all(header)
    try:
        return stream, bytes(await stream.receive_some())
    except trio.BrokenResourceError:
        return stream, b""


async def test_the_session_is_the_clients(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with listening(BALANCED) as listener:
        stream, words = await connect(listener, CLIENT + b"1 NOOP\r\n")
        assert words.startswith(b"* OK")
        while not words.endswith(b"1 OK NOOP completed\r\n"):
            words += bytes(await stream.receive_some())
        [session] = listener.sessions
        assert session.client == "192.0.2.1:4711"
        await stream.send_all(b"2 SELECT INBOX\r\n")
        await stream.receive_some()
        assert "IMAP-1993 192.0.2.1:4711: SELECT was refused" in caplog.text
        await stream.aclose()


async def test_limits_are_the_clients_too(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(BALANCED, max_connections_per_address=1) as listener:
        first, words = await connect(listener, CLIENT)
        assert words.startswith(b"* OK")
        second, words = await connect(listener, CLIENT)
        assert words.startswith(b"* BYE [LIMIT]")
        third, words = await connect(listener, CLIENT.replace(b"2.1 ", b"2.2 "))
        assert words.startswith(b"* OK"), "another client of the same balancer"
        assert "1 connections from 192.0.2.1 (max_connections_per_address)" in caplog.text
        for stream in (first, second, third):
            await stream.aclose()


async def test_a_health_check_is_the_balancers_own(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(BALANCED) as listener:
        stream, words = await connect(listener, b"PROXY UNKNOWN\r\n")
        assert words.startswith(b"* OK")
        assert next(iter(listener.sessions)).client.startswith("127.0.0.1:")
        await stream.aclose()
        bare = await trio.open_tcp_stream(*listener.addresses[0])
        await bare.aclose()  # only looks whether the port is open
        await eventually(lambda: not (listener.sessions or listener._unknown))
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING], "it is nothing special"


async def test_without_a_header_nobody_is_served(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEADER_LIMIT", 0.05)
    async with listening(BALANCED) as listener:
        for said, problem in ((b"1 LOGIN user pass\r\n", "does not start with"), (b"PROXY ", "within 0 s")):
            stream, words = await connect(listener, said)
            assert words == b""
            assert problem in caplog.text
            await stream.aclose()
        assert "LOGIN" not in caplog.text
        assert not listener.sessions
        assert listener._unknown == 0


async def test_strangers_may_not_introduce_anybody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with listening(replace(SERVER, proxy_protocol_from=(ip_network("10.0.0.0/8"),))) as listener:
        stream, words = await connect(listener, CLIENT)
        assert words == b""
        assert "127.0.0.1: it is none of proxy_protocol_from" in caplog.text
        await stream.aclose()


async def test_those_who_have_not_said_count(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(BALANCED, max_connections=2) as listener:
        silent = [await trio.open_tcp_stream(*listener.addresses[0]) for _ in range(2)]
        await eventually(lambda: listener._unknown >= 2)
        stream, words = await connect(listener, CLIENT)
        assert words.startswith(b"* BYE [LIMIT]")
        for each in (*silent, stream):
            await each.aclose()


def test_who_is_trusted() -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("fe80::/10"))
    assert is_trusted("10.1.2.3", networks)
    assert is_trusted("::ffff:10.1.2.3", networks)
    assert is_trusted("fe80::1%eth0", networks)
    assert not is_trusted("11.0.0.1", networks)
