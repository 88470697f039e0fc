"""Requests about the proxy as a whole, and how they look over HTTP."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from emailproxy.config import Fault
from emailproxy.console import requests as module
from emailproxy.console.messages import MessageError, snapshot_in
from emailproxy.console.requests import MAX_BODY, requests, routes
from emailproxy.failures import FailureKind
from emailproxy.store.base import StoreUnavailableError

from .asking import Asked, asked

ADA = "ada@example.com"


async def test_reload() -> None:
    async with asked() as proxy:
        assert await proxy.post("/api/reload") == {"servers": 1, "accounts": 1, "warnings": []}
        proxy.faults.append(Fault("the file", "IMAP-1", "server_port", "port 70000 is outside 1-65535", "write one"))
        refused = await proxy.refused("/api/reload")
        assert refused.status == 422
        told = "the file [IMAP-1] server_port: port 70000 is outside 1-65535; write one"
        assert refused.fields == {"faults": [told]}
        proxy.stops.append(0.0)
        assert (await proxy.refused("/api/reload")).status == 409


async def test_drain_and_drain_at_once() -> None:
    async with asked() as proxy:
        assert await proxy.post("/api/drain") == {"sessions": 1, "seconds": 30.0}
        assert len(proxy.stops) == 1
        await proxy.post("/api/drain")
        assert len(proxy.stops) == 1, "asked again, it does not hurry: somebody may have pressed twice"
        assert (await proxy.post("/api/drain", now=True))["seconds"] == 0.0
        assert len(proxy.stops) == 2


async def test_at_once_from_the_beginning() -> None:
    async with asked() as proxy:
        await proxy.post("/api/drain", now=True)
        assert len(proxy.stops) == 2


async def test_kick(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with asked() as proxy:
            answer = await proxy.post("/api/sessions/{id}/kick", {"id": "0000002A"})
            assert answer == {"id": "0000002a", "account": ADA, "client": "192.0.2.7:4711"}
            [failure] = proxy.sessions[0].ended
            assert failure.kind is FailureKind.SHUTTING_DOWN, "no client forgets a password because of it"
            assert (await proxy.refused("/api/sessions/{id}/kick", {"id": "2b"})).status == 404
    assert "session 0000002a of ada@example.com from 192.0.2.7:4711 ended through the console" in caplog.messages


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("/api/authorise", {}, "account is missing"),
        ("/api/authorise", {"account": 1}, "account must be a string"),
        (
            "/api/authorise",
            {"account": ADA, "again": "yes", "password": "x"},
            "again must be true or false",
        ),
        ("/api/drain", {"now": 1}, "now must be true or false"),
        ("/api/passwords/add", {"account": ADA, "name": "x", "expires": True}, "expires must be a whole"),
        (
            "/api/passwords/add",
            {"account": ADA, "name": "x", "networks": "10/8"},
            "networks must be a list",
        ),
        ("/api/doctor", {"sections": [1]}, "sections must be a list of strings"),
    ],
)
async def test_fields_of_other_types(path: str, fields: dict[str, Any], said: str) -> None:
    async with asked() as proxy:
        refused = await proxy.refused(path, **fields)
        assert refused.status == 400
        assert said in str(refused)


@pytest.mark.parametrize("path", ["/api/authorise", "/api/passwords", "/api/doctor"])
async def test_an_account_that_is_not_there(path: str) -> None:
    async with asked() as proxy:
        refused = await proxy.refused(path, account="eve@example.com\r\n")
        assert refused.status == 404
        assert str(refused).isprintable()


class Http:
    """Starlette's routes, asked without a server."""

    def __init__(self, proxy: Asked) -> None:
        from starlette.applications import Starlette

        self._app = Starlette(routes=routes(proxy.context))

    async def __call__(self, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, Any], dict[str, str]]:
        sent: list[Any] = []
        chunks = [body[at : at + 4096] for at in range(0, len(body), 4096)] or [b""]

        async def receive() -> Any:
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", "root_path": ""}
        await self._app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        text = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], json.loads(text) if "json" in headers["content-type"] else {}, headers


async def test_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    async with asked() as proxy:
        http = Http(proxy)
        status, answer, headers = await http("POST", "/api/sessions/0000002a/kick")
        assert (status, answer["ok"], answer["account"]) == (200, True, "ada@example.com")
        assert headers["cache-control"] == "no-store"
        assert headers["content-type"] == "application/json"
        nobody = {"ok": False, "error": "there is no session 77"}
        assert (await http("POST", "/api/sessions/77/kick"))[:2] == (404, nobody)
        assert (await http("GET", "/api/reload"))[0] == 405
        status, answer, _ = await http("GET", "/api/snapshot")
        assert (status, answer["ok"], answer["store"]["address"]) == (200, True, "memory:")
        assert snapshot_in(answer) == proxy.context.snapshot()
        with pytest.raises(MessageError):
            snapshot_in({**answer, "format": 2})
        assert (await http("POST", "/api/drain", b"{"))[0] == 400
        assert (await http("POST", "/api/drain", b"[]"))[0] == 400
        assert (await http("POST", "/api/drain", b"\xff"))[0] == 400
        assert (await http("POST", "/api/drain", b"[" * 60_000))[0] == 400
        assert (await http("POST", "/api/drain", b" " * (MAX_BODY + 1)))[0] == 413
        assert proxy.stops == []
        assert (await http("POST", "/api/drain"))[:2] == (200, {"ok": True, "sessions": 1, "seconds": 30.0})
        assert len(proxy.stops) == 1
        proxy.world.records.load_errors.append(StoreUnavailableError("the store is down"))
        body = json.dumps({"account": ADA}).encode()
        assert (await http("POST", "/api/passwords", body))[:2] == (503, {"ok": False, "error": "the store is down"})


async def test_every_request_is_documented() -> None:
    async with asked() as proxy:
        assert set(requests(proxy.context)) <= {route.path for route in routes(proxy.context)}  # type: ignore[attr-defined]
    assert module.__doc__
