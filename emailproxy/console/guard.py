"""What must be right about a request before anybody looks at what it asks for? Two layers around the routes.

`Headers` goes around everything: what a browser is told about every answer, and how much a request may bring. `Gate`
goes around what is not open to everybody: where the request comes from, and who asks.

**Requests that a foreign page makes in the browser of a person who is let in** (CSRF): the cookie is `SameSite=Strict`,
so it does not travel with them; an ``Origin`` that is not ours is refused, which WebSockets need, as no rule of
browsers keeps pages from opening one anywhere; and whoever comes by cookie and wants something changed must send a
header that forms cannot send, and that scripts of other origins may send only if we said so beforehand.
"""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import SplitResult, urlsplit

import trio
from starlette.datastructures import Headers as RequestHeaders
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emailproxy.console.access import COOKIE, Access, TooManyTriesError

__all__ = ["CHANGES", "Gate", "Headers", "answer_json"]

CHANGES: Final = "x-emailproxy"
"""The header that a page of ours sends with what changes something: ``X-Emailproxy: 1``."""
MAX_BODY: Final = 64 * 1024
"""Octets that a request may bring: pasted addresses have 16 KiB at the most."""
BODY_SECONDS: Final = 20.0
"""For them to arrive."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    # Nothing from elsewhere is loaded, nobody frames us, no address of ours travels on, nothing is kept in a cache.
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
_SAFE: Final = frozenset({"GET", "HEAD"})
_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Headers:
    """Bounds what a request brings, and adds to every answer what browsers are to know.

    Args:
        app: what is behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] == "websocket":
            await self._app(scope, receive, answer)
            return
        try:
            declared = RequestHeaders(scope=scope).get("content-length", "0")
            if not declared.isdecimal() or int(declared[:12]) > MAX_BODY:
                raise _too_much()
            await self._app(scope, _bounded(receive), answer)
        except HTTPException as error:  # where no Starlette was between to answer it
            if not begun:
                await answer_json(scope, answer, error.status_code, error.detail, (("connection", "close"),))


def _bounded(receive: Receive) -> Receive:
    """`receive`, up to `MAX_BODY` octets within `BODY_SECONDS`."""
    octets = 0
    deadline = trio.current_time() + BODY_SECONDS
    whole = False

    async def bounded() -> Message:
        nonlocal octets, whole
        if whole:  # from now on only the client's going away is told
            return await receive()
        with trio.move_on_at(deadline) as patience:
            message = await receive()
        if patience.cancelled_caught:
            detail = f"not all of the request came within {BODY_SECONDS:.0f} s"
            raise HTTPException(408, detail, {"connection": "close"})
        octets += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if octets > MAX_BODY:
            raise _too_much()
        return message

    return bounded


def _too_much() -> HTTPException:
    return HTTPException(413, f"a request brings {MAX_BODY} octets at the most", {"connection": "close"})


class Gate:
    """Lets in who has the token, or a cookie of ours; see the module.

    Args:
        app: what is behind.
        access: judges; None: there is no token, so nobody comes in.
    """

    def __init__(self, app: ASGIApp, access: Access | None) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, why = refusal
        extra = {401: (("www-authenticate", "Bearer"),), 429: (("retry-after", "60"),)}.get(status, ())
        await answer_json(scope, send, status, why, extra)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason, if this request may not pass."""
        if self._access is None:
            return 503, "the console has no token; the proxy's log says why"
        headers = RequestHeaders(scope=scope)
        origin = headers.get("origin")
        if origin is not None and not _is_ours(origin, headers.get("host", "")):
            return 403, "this page is not the console's"
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.casefold() == "bearer":
            client = scope.get("client")
            try:
                if self._access.admits(token.strip(), client[0] if client else "unix"):
                    return None
            except TooManyTriesError:
                return 429, "too many wrong tokens from this address, try again in a minute"
            return 401, "this is not the token"
        if not any(self._access.knows(cookie) for cookie in _cookies(headers)):
            return 401, "a token is needed, or a link from: emailproxy console"
        if scope["type"] == "http" and scope["method"] not in _SAFE and headers.get(CHANGES) != "1":
            return 403, "a request by cookie needs the header X-Emailproxy: 1"
        return None


async def answer_json(
    scope: Scope, send: Send, status: int, error: str, headers: tuple[tuple[str, str], ...] = ()
) -> None:
    """Refuse a request, or a WebSocket before it is one."""
    body = json.dumps({"ok": False, "error": error}, ensure_ascii=True, separators=(",", ":")).encode()
    kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
    all_headers = (("content-type", "application/json"), ("content-length", str(len(body))), *headers)
    raw = [(name.encode(), value.encode()) for name, value in all_headers]
    await send({"type": f"{kind}.start", "status": status, "headers": raw})
    await send({"type": f"{kind}.body", "body": body})


def _is_ours(origin: str, host: str) -> bool:
    """Whether a page from `origin` came from the server that the request went to (`host`)."""
    page = _split(origin)
    if page is None or page.scheme not in _PORTS:
        return False
    here = _split(f"{page.scheme}://{host}")
    if here is None or not here.hostname:
        return False
    standard = _PORTS[page.scheme]
    return (page.hostname, page.port or standard) == (here.hostname, here.port or standard)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _cookies(headers: RequestHeaders) -> list[str]:
    """The values of our cookie; there may be several, of other programs on this host, or of none of ours."""
    found: list[str] = []
    for header in headers.getlist("cookie"):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE:
                found.append(value)
    return found[:8]  # a header of 16 KiB could have hundreds
