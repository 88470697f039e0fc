from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
import trio
import trio.testing

from emailproxy.config.model import Account
from emailproxy.oauth import redirects as module
from emailproxy.oauth.consent import Consents, Outcome, OutcomeKind, Pending
from emailproxy.oauth.question import Question
from emailproxy.oauth.redirects import RedirectAddress, redirect_addresses, serve_redirects
from tests.conftest import FreePort
from tests.patience import HANG
from tests.ports import reserve

from .support import ACCOUNT

DONE = Outcome(OutcomeKind.AUTHORISED, ACCOUNT.name, "The account is authorised.")


class Place:
    """A standing listener and one pending authorisation."""

    def __init__(self, port: int, consents: Consents, pending: Pending) -> None:
        self.port, self.consents, self.pending = port, consents, pending

    async def exchange(self, outcome: Outcome = DONE) -> None:
        await self.pending.answer()
        self.consents.end(self.pending, outcome)

    async def send(self, octets: bytes) -> str:
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream:
            await stream.send_all(octets)
            answer = b""
            try:
                async for part in stream:
                    answer += part
            except trio.BrokenResourceError:
                pass
        return answer.decode()

    async def get(self, target: str, method: str = "GET", body: str = "") -> str:
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost:{self.port}\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self.send((head + body).encode())


@asynccontextmanager
async def place(*, replaces: bool = False, listen: str | None = None) -> AsyncIterator[Place]:
    consents = Consents()
    with ExitStack() as held:
        port = reserve(held)
        account = at(f"http://localhost:{port}/done", listen.replace("PORT", str(port)) if listen else None)
        pending = consents.begin(
            account, Question("https://provider.test/", "the-state"), client="192.0.2.1", replaces=replaces
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_redirects, [account], consents)
            with trio.fail_after(HANG):
                yield Place(port, consents, pending)
            nursery.cancel_scope.cancel()


OK = "/done?code=abc&state=the-state"


async def test_success() -> None:
    async with place() as p, trio.open_nursery() as nursery:
        nursery.start_soon(p.exchange)
        answer = await p.get(OK)
        assert answer.startswith("HTTP/1.1 200 ")
        assert "Authorised" in answer
        assert "ada@example.com" in answer
        again = await p.get(OK)
        assert again.startswith("HTTP/1.1 200 ")


async def test_the_success_page_waits_for_the_exchange() -> None:
    async with place() as p, trio.open_nursery() as nursery:
        answers: list[str] = []

        async def browser() -> None:
            answers.append(await p.get(OK))

        nursery.start_soon(browser)
        await p.pending.answer()
        await trio.sleep(0.05)
        assert answers == []
        p.consents.end(p.pending, DONE)


async def test_a_failure_says_so_with_its_reference() -> None:
    async with place() as p, trio.open_nursery() as nursery:
        failed = Outcome(OutcomeKind.FAILED, "<script>alert(1)</script>", "The provider gave no token.", "7F3A")
        nursery.start_soon(p.exchange, failed)
        answer = await p.get(OK)
    assert answer.startswith("HTTP/1.1 502 ")
    assert "(ref 7F3A)" in answer
    assert "<script>" not in answer
    assert "&lt;script&gt;" in answer


async def test_denied() -> None:
    async with place() as p, trio.open_nursery() as nursery:

        async def flight() -> None:
            with pytest.raises(Exception, match="denied"):
                await p.pending.answer()
            p.consents.end(p.pending, Outcome(OutcomeKind.DENIED, message="Not authorised."))

        nursery.start_soon(flight)
        answer = await p.get("/done?error=access_denied&state=the-state")
        assert answer.startswith("HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        ("/favicon.ico", "GET", 404),
        ("/apple-touch-icon.png", "GET", 404),
        ("/", "GET", 404),
        ("/other?code=abc&state=the-state", "GET", 404),
        ("/done", "GET", 200),
        ("/done", "HEAD", 200),
        (OK, "HEAD", 200),
        ("/done?code=abc&state=wrong", "GET", 404),
        ("/done?code=abc", "GET", 400),
        ("/done?state=the-state", "GET", 400),
        (OK, "PUT", 405),
        (OK, "OPTIONS", 405),
        ("/done", "POST", 400),
        ("//[", "GET", 400),
    ],
)
async def test_what_is_no_answer_ends_nothing(target: str, method: str, status: int) -> None:
    async with place() as p:
        answer = await p.get(target, method)
        assert answer.startswith(f"HTTP/1.1 {status} ")
        head, _, body = answer.partition("\r\n\r\n")
        assert "default-src 'none'" in head
        assert (body == "") == (method == "HEAD" or "icon" in target)
        assert p.pending.open


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,  # a TLS handshake
        b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
        b"POST /done HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n" + b"a" * 40_000,
        b"GET /done HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"",
    ],
)
async def test_nonsense_is_survived(octets: bytes) -> None:
    async with place() as p:
        if octets:
            answer = await p.send(octets)
            assert answer == "" or answer.startswith("HTTP/1.1 4")
        else:
            stream = await trio.open_tcp_stream("127.0.0.1", p.port)
            await stream.aclose()
        assert (await p.get("/done")).startswith("HTTP/1.1 200 ")
        assert p.pending.open


async def test_a_slow_request_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.1)
    async with place() as p:
        assert (await p.send(b"GET /done HTTP/1.1\r\nHost:")).startswith("HTTP/1.1 408 ")


async def test_a_slow_provider_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTCOME_SECONDS", 0.1)
    async with place() as p:
        assert "The provider is slow" in await p.get(OK)


class Form(HTMLParser):
    """The hidden field of the confirmation page."""

    query = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input":
            self.query = dict(attrs)["value"] or ""


@pytest.mark.parametrize("confirm", ["yes", "no"])
async def test_a_new_password_is_confirmed_on_the_page(confirm: str) -> None:
    async with place(replaces=True) as p:
        answer = await p.get(OK)
        assert "192.0.2.1" in answer
        assert p.pending.open
        form = Form()
        form.feed(answer)
        body = urlencode({"query": form.query, "confirm": confirm})
        if confirm == "no":
            assert (await p.get("/done", "POST", body)).startswith("HTTP/1.1 403 ")
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(p.exchange)
            assert (await p.get("/done", "POST", body)).startswith("HTTP/1.1 200 ")


async def test_behind_a_reverse_proxy_any_path_will_do() -> None:
    async with place(listen="http://127.0.0.1:PORT") as p, trio.open_nursery() as nursery:
        nursery.start_soon(p.exchange)
        assert (await p.get("/rewritten?code=abc&state=the-state")).startswith("HTTP/1.1 200 ")


async def test_too_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 2)
    async with place() as p, await trio.open_tcp_stream("127.0.0.1", p.port) as one:
        async with await trio.open_tcp_stream("127.0.0.1", p.port) as two:
            await trio.testing.wait_all_tasks_blocked()
            assert await p.get("/done") == ""
            await one.aclose()
            await two.aclose()
        while not (answer := await p.get("/done")):
            pass  # they have not been seen to leave yet
        assert answer.startswith("HTTP/1.1 200 ")


async def test_a_port_in_use_is_said_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture, free_port: FreePort
) -> None:
    caplog.set_level(logging.INFO)
    taken, free = free_port(), free_port()
    with socket.create_server(("127.0.0.1", taken)):
        accounts = [replace(ACCOUNT, redirect_uri=f"http://127.0.0.1:{port}") for port in (taken, free)]
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(serve_redirects, accounts, Consents())
            assert bound == [RedirectAddress("127.0.0.1", free)]
            nursery.cancel_scope.cancel()
    assert "another program has this port" in caplog.text
    assert "--external-auth" in caplog.text


def test_the_remedy_for_port_80() -> None:
    text = module._remedy(RedirectAddress("localhost", 80), PermissionError(13, "Permission denied"))
    assert "needs privileges" in text
    assert "--external-auth" in text


def at(uri: str | None, listen: str | None = None) -> Account:
    return replace(ACCOUNT, redirect_uri=uri, redirect_listen_address=listen)


def test_addresses_are_shared_and_distinct(caplog: pytest.LogCaptureFixture) -> None:
    accounts = [
        at("http://localhost"),
        at("http://localhost/"),
        at("http://localhost:80/cb"),
        at("http://localhost:8080/x"),
        at("https://mail.example.com/cb", "http://127.0.0.1:9000"),
        at("https://mail.example.com/cb", "0.0.0.0:9001"),
        at("http://[::1]:8081"),
        at(None),
        replace(ACCOUNT, permission_url=None),
    ]
    found = {(a.host, a.port): a.paths for a in redirect_addresses(accounts)}
    assert found == {
        ("localhost", 80): {"/", "/cb"},
        ("localhost", 8080): {"/x"},
        ("127.0.0.1", 9000): frozenset(),
        ("0.0.0.0", 9001): frozenset(),
        ("::1", 8081): {"/"},
    }
    assert caplog.text == ""


@pytest.mark.parametrize("uri", ["https://localhost", "urn:ietf:wg:oauth:2.0:oob", "http://x:99999", "nonsense"])
def test_what_cannot_be_listened_at_is_said(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    assert redirect_addresses([at(uri)]) == []
    assert "redirect_listen_address" in caplog.text


@pytest.mark.parametrize("host", ["not..encodable", "x" * 64])
async def test_a_host_that_cannot_be_one_is_said_and_ends_nothing(host: str, caplog: pytest.LogCaptureFixture) -> None:
    account = replace(ACCOUNT, redirect_uri=f"http://{host}:8080", permission_url="https://provider.example/authorize")
    async with trio.open_nursery() as nursery:
        assert await nursery.start(serve_redirects, [account], Consents()) == []
        nursery.cancel_scope.cancel()
    assert f"{host} is no host name" in caplog.text
