"""What does the console answer, to friend and foe? Over real connections."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import trio
from trio_websocket import ConnectionClosed, HandshakeError

from emailproxy.config.channel import Place
from emailproxy.console import hub as hubs
from emailproxy.console import messages
from emailproxy.console.access import WRONG
from emailproxy.console.guard import MAX_BODY
from emailproxy.console.hub import QUEUE
from emailproxy.console.server import CLOSE_BUSY, CLOSE_SLOW
from emailproxy.oauth.consent import Outcome, OutcomeKind
from emailproxy.oauth.question import Question
from tests.patience import HANG, eventually

from .served import COOKIE, Served, said, served, until
from .stage import ACCOUNT

EVERYWHERE = ["/", "/enter", "/api/snapshot", "/nowhere", "/api/nowhere", "/livez"]


# --- watching ---------------------------------------------------------------------------------------------------------


async def test_a_watcher_gets_a_snapshot_and_then_the_changes(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.socket() as socket:
        first = await said(socket)
        assert isinstance(first.message, messages.Snapshot)
        assert first.message.proxy.addresses == (str(one.place),)
        session = one.stage.open_session()
        opened, envelope = await until(socket, messages.Session)
        assert (opened.id, envelope.stream) == (session.id, first.stream)
        assert envelope.sequence > first.sequence


async def test_who_comes_back_resumes(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        async with one.socket() as socket:
            first = await said(socket)
        one.stage.open_session()
        async with one.socket(f"?stream={first.stream}&after={first.sequence}") as socket:
            assert (await said(socket)).type == "resumed"
            _, envelope = await until(socket, messages.Session)
            assert envelope.sequence > first.sequence
        for after in ("x", "-1", "1" * 30, "%C2%B2"):
            async with one.socket(f"?stream={first.stream}&after={after}") as socket:
                assert (await said(socket)).type == "snapshot"


async def test_a_watcher_who_leaves_is_forgotten(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        for _ in range(3):
            async with one.socket() as socket:
                await said(socket)
                assert one.console.hub.watchers == 1
            await eventually(lambda: not one.console.hub.watchers)


async def test_what_a_watcher_says_is_not_looked_at(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.socket() as socket:
        await said(socket)
        for word in ("{}", "x" * 1000):
            await socket.send_message(word)
        one.stage.open_session()
        await until(socket, messages.Session)


async def test_a_watcher_who_says_too_much_is_closed(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.socket() as socket:
        await said(socket)
        await socket.send_message("x" * 100_000)
        with pytest.raises(ConnectionClosed), trio.fail_after(HANG):
            while True:
                await socket.get_message()
        assert socket.closed is not None
        assert socket.closed.code == 1009


async def test_a_slow_watcher_is_dropped_with_a_code_while_the_rest_goes_on(tmp_path: Path) -> None:
    """It reads nothing, so that the kernel's buffers and then its queue fill; then it reads, and hears why."""
    async with served(tmp_path) as one, one.socket() as quick:
        await said(quick)
        async with one.socket() as slow:
            await eventually(lambda: one.console.hub.watchers >= 2)
            with trio.fail_after(HANG):
                number = 0
                while one.console.hub.watchers > 1:
                    for _ in range(QUEUE // 2):
                        number += 1
                        one.console.hub.publish(messages.ListenerGone(f"{number}:" + "x" * 2000))
                    while (await said(quick)).message != messages.ListenerGone(f"{number}:" + "x" * 2000):
                        pass
                with pytest.raises(ConnectionClosed):
                    while True:
                        await slow.get_message()
            assert slow.closed is not None
            assert slow.closed.code == CLOSE_SLOW
        session = one.stage.open_session()
        told, _ = await until(quick, messages.Session)
        assert told.id == session.id


async def test_too_many_watchers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_WATCHERS", 1)
    async with served(tmp_path) as one, one.socket() as first:
        await said(first)
        async with one.socket() as second:
            with pytest.raises(ConnectionClosed):
                await second.get_message()
            assert second.closed is not None
            assert second.closed.code == CLOSE_BUSY


# --- who may come in --------------------------------------------------------------------------------------------------


async def refused(one: Served, **headers: str) -> int:
    """The status with which a WebSocket is refused."""
    with pytest.raises(HandshakeError) as caught:
        async with one.socket(**headers):
            pass
    return int(caught.value.status_code)  # type: ignore[attr-defined]


async def test_without_a_token_nothing_is_told(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.client() as client:
        for path in ("/api/snapshot", "/api/nowhere", "/api/", "/events"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["ok"]) == (401, False)
            assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/api/reload", "/api/drain", "/api/enter"):
            assert (await client.post(path, json={})).status_code == 401
        assert await refused(one, accept="*/*") == 401
        assert (one.reloads, one.stops) == ([], 0)


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer", "Basic dTpw", "Bearer " + "x" * 4000])
async def test_a_wrong_token(tmp_path: Path, value: str) -> None:
    async with served(tmp_path) as one, one.client(authorization=value) as client:
        assert (await client.get("/api/snapshot")).status_code == 401
        assert await refused(one, authorization=value) == 401


async def test_guessing_ends_soon_and_who_was_let_in_stays(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        cookie = await one.cookie()
        async with one.client(authorization="Bearer guess") as client:
            statuses = [(await client.get("/api/snapshot")).status_code for _ in range(WRONG + 1)]
        assert statuses == [401] * WRONG + [429]
        async with one.holder() as client:
            answer = await client.get("/api/snapshot")
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        async with one.client(cookie=f"{COOKIE}={cookie}") as browser:
            assert (await browser.get("/api/snapshot")).status_code == 200


async def test_the_token_lets_in(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.holder() as client:
        answer = await client.get("/api/snapshot")
        assert answer.status_code == 200
        assert answer.json()["proxy"]["addresses"] == [str(one.place)]


async def test_a_link_lets_a_browser_in_once(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        async with one.holder() as client:
            entry = (await client.post("/api/enter")).json()
        assert entry["url"] == one.url + entry["path"]
        async with one.client() as browser:
            assert (await browser.head(entry["path"])).status_code == 200, "who only looks uses nothing up"
            first = await browser.get(entry["path"])
            assert (first.status_code, first.headers["location"]) == (303, "/")
            [cookie] = first.headers.get_list("set-cookie")
            assert {part.strip().casefold() for part in cookie.split(";")[1:]} == {
                "httponly", "max-age=43200", "path=/", "samesite=strict",
            }  # fmt: skip
            assert (await browser.get("/api/snapshot")).status_code == 200
        async with one.client() as other:
            second = await other.get(entry["path"])
            assert (second.status_code, "set-cookie" in second.headers) == (403, False)
            assert (await other.get("/enter")).status_code == 403
            assert (await other.get("/api/snapshot")).status_code == 401


async def test_behind_tls_the_cookie_is_secure(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.holder() as client:
        path = (await client.post("/api/enter")).json()["path"]
        answer = await client.get(path, headers={"x-forwarded-proto": "https"})
        assert "secure" in answer.headers["set-cookie"].casefold()


async def test_a_foreign_cookie_lets_nobody_in(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        good = await one.cookie()
        for value in ("", "x", good[:-1], "9999999999.x." + "0" * 64, good.replace(".", "")):
            async with one.client(cookie=f"a=b; {COOKIE}={value}; c=d") as client:
                assert (await client.get("/api/snapshot")).status_code == 401
        async with one.client(cookie=f"{COOKIE}=x; {COOKIE}={good}") as client:
            assert (await client.get("/api/snapshot")).status_code == 200, "another program's of the same name"


async def test_by_cookie_only_our_page_changes_something(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        cookie = f"{COOKIE}={await one.cookie()}"
        async with one.client(cookie=cookie) as client:
            for headers in ({}, {"x-emailproxy": "0"}, {"content-type": "text/plain"}):
                assert (await client.post("/api/drain", content=b"{}", headers=headers)).status_code == 403
            assert one.stops == 0
            foreign = {"x-emailproxy": "1", "origin": "https://evil.example"}
            assert (await client.post("/api/drain", json={}, headers=foreign)).status_code == 403
            assert one.stops == 0
            ours = {"x-emailproxy": "1", "origin": one.url}
            assert (await client.post("/api/drain", json={}, headers=ours)).status_code == 200
            await eventually(lambda: one.stops)  # behind the answer, which would not arrive otherwise


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1", "file://", "http://[", "HERE.evil.test"],
)
async def test_a_page_from_elsewhere_opens_no_websocket(tmp_path: Path, origin: str) -> None:
    async with served(tmp_path) as one:
        origin = origin.replace("HERE", one.url)
        assert await refused(one, cookie=f"{COOKIE}={await one.cookie()}", origin=origin) == 403


async def test_our_page_opens_a_websocket(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        cookie = await one.cookie()
        async with one.socket(cookie=f"{COOKIE}={cookie}", origin=one.url) as socket:
            assert (await said(socket)).type == "snapshot"


async def test_without_a_token_file_nobody_comes_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with served(tmp_path / "nowhere", token=None) as one, one.holder() as client:
        assert (await client.get("/api/snapshot")).status_code == 503
        assert (await client.get("/enter?code=x")).status_code == 403
        assert (await client.get("/livez")).status_code == 200
    assert "nobody can use the console" in caplog.text


# --- every answer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_browsers_are_told_to_be_careful(tmp_path: Path, path: str) -> None:
    async with served(tmp_path) as one, one.holder() as client:
        headers = (await client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy, "nothing from elsewhere"
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert headers["cache-control"] in ("no-store", "no-cache")
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


async def test_the_page_is_served_and_not_sent_twice(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.client() as browser:
        page = await browser.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        again = await browser.get("/", headers={"if-none-match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert (await browser.post("/")).status_code == 405


@pytest.mark.parametrize(
    "path",
    ["/../access.py", "/%2e%2e/access.py", "/..%2faccess.py", "/app/../../access.py", "//etc/passwd", "/index.html/..",
     "/%00", "/app", "/app/", "/__init__.py", "/\\..\\access.py", "/etc/passwd"],
)  # fmt: skip
async def test_no_other_file_is_served(tmp_path: Path, path: str) -> None:
    async with served(tmp_path) as one:
        stream = await trio.open_tcp_stream(one.place.host, one.place.port)
        async with stream:
            await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while data := await stream.receive_some():
                answer += data
        assert answer.split()[1] in (b"400", b"404")
        assert b"import" not in answer
        assert b"root:" not in answer


async def test_too_large_a_body(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.holder() as client:
        answer = await client.post("/api/authorise/answer", content=b" " * (MAX_BODY + 1))
        assert (answer.status_code, answer.json()["ok"]) == (413, False)

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(MAX_BODY // 1024 + 2):
                yield b" " * 1024

        answer = await client.post("/api/authorise/answer", content=chunks())
        assert answer.status_code == 413
        assert (await client.post("/api/drain", content=b" " * 100 + b"{}")).status_code == 200


async def test_too_large_a_form_at_the_end_of_a_sign_in(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 1024 + 2):
            yield b" " * 1024

    async with served(tmp_path) as one, one.client() as browser:
        one.stage.configure(replace(ACCOUNT, redirect_uri=f"http://localhost:{one.place.port}/"))
        answer = await browser.post("/", content=chunks())
        assert (answer.status_code, answer.json()["ok"]) == (413, False)


@pytest.mark.parametrize("length", ["-1", "x", "1e9", "9" * 40])
async def test_a_length_that_is_none(tmp_path: Path, length: str) -> None:
    async with served(tmp_path) as one, await trio.open_tcp_stream(one.place.host, one.place.port) as stream:
        await stream.send_all(f"POST /api/drain HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        assert (await stream.receive_some()).split()[1] in (b"400", b"413")


async def test_what_is_no_route_is_said_in_our_form(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.holder() as client:
        answer = await client.get("/api/nowhere")
        assert (answer.status_code, answer.json()) == (404, {"ok": False, "error": "Not Found"})
        answer = await client.get("/api/reload")
        assert (answer.status_code, answer.json()["ok"]) == (405, False)


# --- reload through the console ---------------------------------------------------------------------------------------


async def test_a_reload_that_moves_the_console_goes_on_without_its_request(tmp_path: Path) -> None:
    def move(one: Served) -> tuple[()]:
        one.channel(listen=Place("localhost", 0))
        return ()

    async with served(tmp_path, reload=move) as one:
        before = one.url
        async with one.holder() as client:
            with pytest.raises(httpx2.TransportError):
                await client.post("/api/reload", json={})
        await eventually(lambda: "done" in one.reloads)
        assert one.url != before
        async with one.holder() as client:
            assert (await client.get("/api/snapshot")).status_code == 200


# --- ends of sign-ins -------------------------------------------------------------------------------------------------


async def test_a_sign_in_ends_at_the_console_if_its_address_is_there(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        account = replace(ACCOUNT, redirect_uri=f"http://localhost:{one.place.port}/")
        one.stage.configure(account)
        question = Question("https://provider.test/?state=s3cret", "s3cret")
        pending = one.stage.consents.begin(account, question)

        async def exchange() -> None:
            assert await pending.answer() == "the-code"
            one.stage.consents.end(pending, Outcome(OutcomeKind.AUTHORISED, account.name))

        async with trio.open_nursery() as nursery, one.client() as browser:
            nursery.start_soon(exchange)
            assert (await browser.get("/?code=the-code&state=wrong")).status_code != 200
            answer = await browser.get("/?code=the-code&state=s3cret")
        assert answer.status_code == 200
        assert "Authorised" in answer.text
        assert "script-src" not in answer.headers["content-security-policy"]
        async with one.client() as browser:
            assert "Authorised" not in (await browser.get("/")).text, "the page is still there"
            assert "Authorised" not in (await browser.get("/other?code=the-code&state=s3cret")).text


async def test_a_sign_in_that_ends_elsewhere_does_not_end_here(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.client() as browser:
        page = (await browser.get("/")).text
        assert (await browser.get("/?code=the-code&state=s3cret")).text == page


async def test_answers_are_json(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.holder() as client:
        for path in ("/api/enter", "/api/drain"):
            answer = await client.post(path, json={})
            assert answer.headers["content-type"] == "application/json"
            assert json.loads(answer.content)["ok"] is True
