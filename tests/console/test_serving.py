"""How does a connection become requests and answers, and how does it end?"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import httpx2
import pytest
import trio
import trustme
from starlette.types import ASGIApp, Receive, Scope, Send

from emailproxy.config.channel import Place
from emailproxy.console import serving
from emailproxy.console.serving import serve
from emailproxy.console.sockets import bind
from tests.patience import HANG

LARGE = 64 * 1024 * 1024
"""Octets: more than any kernel keeps for a connection."""


async def answer(scope: Scope, receive: Receive, send: Send, *, size: int = 2) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
    await send({"type": "http.response.body", "body": b"x" * size})


async def mistake(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError("a mistake of ours")


@asynccontextmanager
async def serving_at(
    place: Place, app: ASGIApp = answer, context: Callable[[], ssl.SSLContext | None] = lambda: None
) -> AsyncIterator[tuple[Place, trio.CancelScope]]:
    bound = await bind(place)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, app, bound, context)
        yield bound.addresses[0], nursery.cancel_scope
        nursery.cancel_scope.cancel()


HERE = Place("127.0.0.1", 0)


async def test_over_tcp() -> None:
    async with serving_at(HERE) as (place, _), httpx2.AsyncClient(timeout=HANG) as client:
        for _ in range(3):
            assert (await client.get(f"http://{place}/")).content == b"xx"


async def test_over_a_unix_socket(brief_path: Path) -> None:
    path = brief_path / "x.sock"
    transport = httpx2.AsyncHTTPTransport(uds=str(path))
    async with serving_at(Place(path=path)), httpx2.AsyncClient(transport=transport, timeout=HANG) as client:
        assert (await client.get("http://console/")).content == b"xx"
    assert not path.exists()


def context_of(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_a_renewed_certificate_is_used_for_connections_to_come() -> None:
    authorities = [trustme.CA(), trustme.CA()]
    contexts = [context_of(ca) for ca in authorities]
    async with serving_at(HERE, context=lambda: contexts[0]) as (place, _):
        for ca in authorities:
            trust = ssl.create_default_context()
            ca.configure_trust(trust)
            async with httpx2.AsyncClient(verify=trust, timeout=HANG) as client:
                answered = await client.get(f"https://{place}/")
                assert (answered.content, answered.http_version) == (b"xx", "HTTP/1.1")
            contexts[:] = contexts[1:] or contexts


@pytest.mark.parametrize("tls", [False, True])
async def test_who_reads_nothing_holds_up_no_stop(tls: bool) -> None:
    """hypercorn shields its sends from cancellation, so without us this would wait for ever."""
    ca = trustme.CA()
    context = context_of(ca) if tls else None
    async with serving_at(HERE, partial(answer, size=LARGE), lambda: context) as (place, scope):
        stream: trio.abc.Stream = await trio.open_tcp_stream(place.host, place.port)
        if tls:
            trust = ssl.create_default_context()
            ca.configure_trust(trust)
            stream = trio.SSLStream(stream, trust, server_hostname=place.host)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await stream.receive_some(1)
        scope.cancel()
        began = trio.current_time()
    assert trio.current_time() - began < 5
    await trio.aclose_forcefully(stream)


async def test_who_reads_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "SEND_SECONDS", 0.1)
    async with serving_at(HERE, partial(answer, size=LARGE)) as (place, _):
        stream = await trio.open_tcp_stream(place.host, place.port)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await stream.receive_some(1)
        await trio.sleep(0.5)
        received = 0
        with trio.fail_after(HANG), suppress(trio.BrokenResourceError):
            while data := await stream.receive_some():
                received += len(data)
        assert received < LARGE
        await stream.aclose()


async def test_more_connections_than_are_allowed_are_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 1)
    async with serving_at(HERE) as (place, _), httpx2.AsyncClient(timeout=HANG) as client:
        assert (await client.get(f"http://{place}/")).status_code == 200  # and stays open
        async with await trio.open_tcp_stream(place.host, place.port) as stream:
            with trio.fail_after(HANG):
                assert await stream.receive_some() == b""
        assert (await client.get(f"http://{place}/")).status_code == 200
    assert "one more was closed" in caplog.text


async def test_who_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "IDLE_SECONDS", 0.1)
    async with serving_at(HERE) as (place, _):
        for head in (b"", b"GET / HTTP/1.1\r\nHost:"):
            async with await trio.open_tcp_stream(place.host, place.port) as stream:
                if head:
                    await stream.send_all(head)
                with trio.fail_after(HANG):
                    assert await stream.receive_some() == b""


async def test_what_is_no_http_ends_one_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with serving_at(HERE) as (place, _), httpx2.AsyncClient(timeout=HANG) as client:
        for garbage in (b"\x16\x03\x01\x00\xff", b"GET / HTTP/9.9\r\n\r\n", b"x" * 20_000, b"PRI * HTTP/2.0\r\n\r\nxx"):
            async with await trio.open_tcp_stream(place.host, place.port) as stream:
                await stream.send_all(garbage + b"\r\n\r\n")
                with trio.fail_after(HANG):
                    with suppress(trio.BrokenResourceError):
                        while await stream.receive_some():
                            pass
        assert (await client.get(f"http://{place}/")).content == b"xx"
    assert "mistake" not in caplog.text


async def test_a_mistake_ends_one_request(caplog: pytest.LogCaptureFixture) -> None:
    async with serving_at(HERE, mistake) as (place, _), httpx2.AsyncClient(timeout=HANG) as client:
        for _ in range(2):
            assert (await client.get(f"http://{place}/")).status_code == 500
    assert caplog.text.count("ZeroDivisionError: a mistake of ours") == 2
    assert {record.name for record in caplog.records} == {"emailproxy.console"}


async def test_no_stream_is_left_open_by_a_stop() -> None:
    async with serving_at(HERE) as (place, scope):
        stream = await trio.open_tcp_stream(place.host, place.port)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answered = b""
        while not answered.endswith(b"xx"):
            answered += await stream.receive_some()
        scope.cancel()
    with trio.fail_after(HANG):
        with suppress(trio.BrokenResourceError):
            assert await stream.receive_some() == b""
    await stream.aclose()
