"""What can be asked of a running proxy over HTTP? ``/api/...``: JSON in, JSON out; who may ask is `access`'s question.

An answer is ``{"ok": true, ...}`` or ``{"ok": false, "error": "a sentence"}`` with a fitting status. What takes longer
than an answer may, goes on behind it, and is told over ``/events``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import trio

from emailproxy.console.context import Context
from emailproxy.console.messages import FORMAT, Snapshot, fields_of
from emailproxy.console.refusing import Body, RequestRefusedError
from emailproxy.console.requests_authorising import AuthorisingRequests
from emailproxy.console.requests_doctor import DoctorRequests
from emailproxy.console.requests_passwords import PasswordRequests
from emailproxy.failures import Failure, FailureKind
from emailproxy.oauth.foreign import foreign
from emailproxy.store.base import StoreError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

__all__ = ["MAX_BODY", "Answer", "Farewell", "RunningRequests", "requests", "routes"]

log = logging.getLogger("emailproxy.console")

MAX_BODY: Final = 64 * 1024
"""Octets of a request: a pasted address has 16 KiB at the most, a password a hundred."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """An answer that must have left before something is done."""

    fields: Mapping[str, object]
    then: Callable[[], None]


Answer = Callable[[Mapping[str, str], Body], Awaitable[Mapping[str, object] | Farewell]]
"""What answers: the parts of the path and the body in, the fields of the answer out. Raises RequestRefusedError."""


class RunningRequests:
    """Requests that concern the proxy as a whole, or one mail session.

    Args:
        context: the running proxy.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def reload(self, _path: Mapping[str, str], _body: Body) -> Mapping[str, object]:
        """Read the configuration again; 422 with the faults, if it has some."""
        if self._context.snapshot().proxy.draining:
            raise RequestRefusedError(409, "the proxy is stopping, so nothing is reloaded")
        log.info("reload asked for through the console")
        faults = await self._context.reload()
        if faults:
            told = [str(fault) for fault in faults]
            error = "the configuration has faults; the one in force stays"
            raise RequestRefusedError(422, error, faults=told)
        config = self._context.config()
        return {
            "servers": len(config.servers),
            "accounts": len(config.accounts),
            "warnings": [str(warning) for warning in config.warnings],
        }

    async def drain(self, _path: Mapping[str, str], body: Body) -> Farewell:
        """Stop: accept nothing more, and end when the last session has; asked again with ``now``: at once."""
        await trio.lowlevel.checkpoint()
        now = body.flag("now")
        draining = self._context.snapshot().proxy.draining
        log.info("%s asked for through the console", "end" if now else "drain")
        seconds = 0.0 if now else self._context.config().settings.drain

        def stop() -> None:
            if not draining:
                self._context.stop()
            if now:
                self._context.stop()

        # Without a session the proxy is gone at once, and the answer with it.
        return Farewell({"sessions": len(self._context.sessions()), "seconds": seconds}, stop)

    async def kick(self, path: Mapping[str, str], _body: Body) -> Mapping[str, object]:
        """End one mail session."""
        await trio.lowlevel.checkpoint()
        wanted = path["id"].lower()
        session = next((each for each in self._context.sessions() if each.id == wanted), None)
        if session is None:
            raise RequestRefusedError(404, f"there is no session {foreign(path['id'], 16)}")
        failure = Failure(
            FailureKind.SHUTTING_DOWN, "Your session was ended, please connect again.", "ended through the console"
        )
        log.info("session %s of %s from %s ended through the console", session.id, session.account, session.client)
        session.end(failure)
        return {"id": session.id, "account": session.account, "client": session.client}


def requests(context: Context) -> Mapping[str, Answer]:
    """What answers each POST, by its path, with ``{name}`` for a part that is passed on."""
    running, authorising = RunningRequests(context), AuthorisingRequests(context)
    passwords, doctor = PasswordRequests(context), DoctorRequests(context)
    return {
        "/api/reload": running.reload,
        "/api/drain": running.drain,
        "/api/sessions/{id}/kick": running.kick,
        "/api/authorise": authorising.begin,
        "/api/authorise/answer": authorising.answer,
        "/api/passwords": passwords.list,
        "/api/passwords/add": passwords.add,
        "/api/passwords/revoke": passwords.revoke,
        "/api/doctor": doctor.begin,
    }


def routes(context: Context) -> list[BaseRoute]:
    """The same for Starlette, and ``GET /api/snapshot``: the fields of a snapshot, with ``format`` and ``type``."""
    from starlette.routing import Route

    async def snapshot(_request: Request) -> Response:
        head = {"ok": True, "format": FORMAT, "type": Snapshot.type}
        return _response(200, head | fields_of(context.snapshot()))

    return [
        Route("/api/snapshot", snapshot, methods=["GET"]),
        *(Route(path, _endpoint(answer), methods=["POST"]) for path, answer in requests(context).items()),
    ]


def _endpoint(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            told = await answer(request.path_params, Body(_object(await _octets(request))))
        except RequestRefusedError as refused:
            return _response(refused.status, {"ok": False, "error": str(refused)} | dict(refused.fields))
        except StoreError as error:
            return _response(503, {"ok": False, "error": foreign(error)})
        if isinstance(told, Farewell):
            return _response(200, {"ok": True} | dict(told.fields), told.then)
        return _response(200, {"ok": True} | dict(told))

    return endpoint


async def _octets(request: Request) -> bytes:
    octets = b""
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            octets += chunk
            if len(octets) > MAX_BODY:
                raise RequestRefusedError(413, f"a request has {MAX_BODY} octets at the most")
    return octets


def _object(octets: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(octets or b"{}")
    except (ValueError, RecursionError):
        raise RequestRefusedError(400, "the body is no JSON") from None
    if not isinstance(document, dict):
        raise RequestRefusedError(400, "the body must be a JSON object")
    return document


def _response(status: int, document: Mapping[str, object], then: Callable[[], None] | None = None) -> Response:
    from starlette.background import BackgroundTask
    from starlette.responses import Response

    async def afterwards() -> None:  # a coroutine, as Starlette gives others to a thread
        assert then is not None
        then()

    # An answer may hold an app password, which no cache may keep.
    headers = {"Cache-Control": "no-store"}
    background = BackgroundTask(afterwards) if then is not None else None
    return Response(json.dumps(document), status, headers, media_type="application/json", background=background)
