"""What does the console answer? The page, the stream of events, and where one comes in; others add theirs in `routes`.

Everything under ``/api/`` and ``/events`` is behind the `Gate`. The rest holds nothing about this proxy: the page's
files, which are the same everywhere, the way in, the ends of sign-ins, and what `routes.operations` leaves open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from emailproxy.console.access import COOKIE, COOKIE_SECONDS, Access
from emailproxy.console.context import Context
from emailproxy.console.files import PageFile
from emailproxy.console.guard import Gate, Headers
from emailproxy.console.hub import Hub, TooManyWatchersError
from emailproxy.console.routes import operations, requests
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.pages import HEADERS as REDIRECT_HEADERS
from emailproxy.oauth.pages import notice
from emailproxy.oauth.redirects import answer_redirect

__all__ = ["CLOSE_BUSY", "CLOSE_SLOW", "Parts", "application", "operations_application"]

CLOSE_SLOW: Final = 4008
"""The watcher did not keep up; it may come back at once, and gets a snapshot."""
CLOSE_BUSY: Final = 4013
"""There are too many watchers."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the console is made of."""

    context: Context
    hub: Hub
    access: Access | None
    """None: there is no token, so only what is open is answered."""
    page: Mapping[str, PageFile]
    redirect_paths: Callable[[], frozenset[str] | None]
    """Where redirects of OAuth end on this listener: empty: anywhere, as a reverse proxy may change paths; None: not
    here."""
    operations_here: bool
    """Whether health and metrics are served here."""


def application(parts: Parts) -> ASGIApp:
    """The whole console."""
    gate = Gate(_starlette([*_own_routes(parts), *requests(parts.context)]), parts.access)
    shared = operations(parts.context) if parts.operations_here else []
    opened = _starlette([Route("/enter", _entrance(parts.access), methods=["GET"]), *shared, *_page_routes(parts.page)])

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/events" or path.startswith("/api/"):
            await gate(scope, receive, send)
            return
        paths = parts.redirect_paths() if scope["type"] == "http" and _ends_sign_in(scope) else None
        if paths is not None and (path in paths or not paths):
            await _answer_redirect(Request(scope, receive), send, paths, parts.context.consents)
        else:
            await opened(scope, receive, send)

    return Headers(dispatch)


def operations_application(context: Context) -> ASGIApp:
    """Health and metrics alone, for ``metrics_listen``."""
    return Headers(_starlette(operations(context)))


def _starlette(routes: list[BaseRoute]) -> Starlette:
    return Starlette(routes=routes, exception_handlers={HTTPException: _refused})


async def _refused(request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself (404, 405), and what routes raise, in the form of all our answers."""
    assert isinstance(error, HTTPException)
    del request
    return JSONResponse({"ok": False, "error": error.detail}, error.status_code, headers=dict(error.headers or {}))


# --- behind the gate --------------------------------------------------------------------------------------------------


def _own_routes(parts: Parts) -> list[BaseRoute]:
    hub, access = parts.hub, parts.access

    async def enter(request: Request) -> Response:
        assert access is not None, "the gate lets nobody in without it"
        path = f"/enter?{urlencode({'code': access.issue()})}"
        # Whoever comes through a Unix socket has an address for programs only.
        url = f"{request.url.scheme}://{request.url.netloc}{path}" if request.scope.get("server") else None
        return JSONResponse({"ok": True, "path": path, "url": url})

    async def events(websocket: WebSocket) -> None:
        await _watch(websocket, hub)

    return [
        Route("/api/enter", enter, methods=["POST"]),
        WebSocketRoute("/events", events),
    ]


async def _watch(websocket: WebSocket, hub: Hub) -> None:
    """One watcher, from its coming to its leaving."""
    stream, after = websocket.query_params.get("stream"), websocket.query_params.get("after", "")
    number = int(after) if after.isascii() and after.isdigit() and len(after) < 20 else None
    await websocket.accept()
    try:
        watching = hub.watch(stream, number)
    except TooManyWatchersError as error:
        await websocket.close(CLOSE_BUSY, str(error))
        return
    with watching as watch:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_await_leaving, websocket, nursery.cancel_scope)
            async for text in watch:
                await websocket.send({"type": "websocket.send", "text": text})
            await websocket.close(CLOSE_SLOW, "too slow; come back")
            nursery.cancel_scope.cancel()


async def _await_leaving(websocket: WebSocket, scope: trio.CancelScope) -> None:
    """A watcher has nothing to say; what it says is not looked at."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
    scope.cancel()


# --- open to everybody ------------------------------------------------------------------------------------------------


def _entrance(access: Access | None) -> Callable[[Request], object]:
    async def enter(request: Request) -> Response:
        if request.method == "HEAD":  # of programs that look at links before people do
            return PlainTextResponse("")
        cookie = access.redeem(request.query_params.get("code", "")) if access is not None else None
        if cookie is None:
            text = "It works once, and for a minute. Run emailproxy console again."
            return HTMLResponse(notice("This link is used up", text), 403, headers=dict(REDIRECT_HEADERS))
        response = RedirectResponse("/", 303)
        forwarded = request.headers.get("x-forwarded-proto", "") == "https"  # whoever lies about it, loses the cookie
        secure = request.url.scheme == "https" or forwarded
        response.set_cookie(
            COOKIE, cookie, max_age=COOKIE_SECONDS, path="/", httponly=True, samesite="strict", secure=secure
        )
        return response

    return enter


def _page_routes(page: Mapping[str, PageFile]) -> list[BaseRoute]:
    def answering(file: PageFile) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            headers = {"Cache-Control": "no-cache", "ETag": file.tag}
            if file.tag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            # Beside the policy's own words: the type as bytes, so that no character set is added to what has none.
            return Response(file.content, headers=headers | {"Content-Type": file.type})

        return answer

    return [Route(path, answering(file), methods=["GET"]) for path, file in page.items()]


def _ends_sign_in(scope: Scope) -> bool:
    """Whether this is the end of a sign-in, or the answer to the question that comes after it."""
    query = scope["query_string"]
    return scope["method"] == "POST" or (scope["method"] in ("GET", "HEAD") and b"state=" in query)


async def _answer_redirect(request: Request, send: Send, paths: frozenset[str], consents: Consents) -> None:
    target = request.scope["path"] + (f"?{request.url.query}" if request.url.query else "")
    status, body = await answer_redirect(request.method, target, await request.body(), paths, consents)
    response = HTMLResponse(body or "", status, headers=dict(REDIRECT_HEADERS))
    await response(request.scope, request.receive, send)
