"""How do the replicas reach the provider? A token endpoint on loopback (RFC 6749), each request with a way to go.

Half of the delay lies before the provider decides and half behind it, while its answer is under way: a replica that is
killed in the second half was given a token that it never saw.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import h11
import trio

from emailproxy.testing.provider.http import Request, Response, serve_http
from tests.stores.simulation.rotation import Grant, RefusedError, Rotation

__all__ = ["open_provider"]

EXPIRES_IN = 1
"""Seconds: the broker refreshes whatever has less than ten minutes to live, so every login refreshes."""


@asynccontextmanager
async def open_provider(
    rotation: Rotation, *, delay: float, refused: Callable[[Grant, str], None], asked: Callable[[str, str], None]
) -> AsyncIterator[str]:
    """Serve; the URL of the token endpoint.

    Args:
        rotation: the rules.
        delay: seconds that a request takes.
        refused: called with the grant and the client whose token was refused, before the client hears of it.
        asked: called with an account and a client that would ask a person for a new consent now.
    """

    async def answer(request: Request) -> Response:
        form = request.form
        client = form.get("client_id", "")
        await trio.sleep(delay / 2)
        if form.get("grant_type") != "refresh_token":
            asked(form.get("username", ""), client)
            return _json(400, {"error": "access_denied", "error_description": "nobody is there to consent"})
        token = form.get("refresh_token", "")
        try:
            successor = rotation.refresh(token, client, trio.current_time())
        except RefusedError:
            if (granted := rotation.owner(token)) is not None:
                refused(granted, client)
            return _json(400, {"error": "invalid_grant", "error_description": "the refresh token was used or revoked"})
        await trio.sleep(delay / 2)
        fields = {"access_token": "a." + successor, "token_type": "Bearer", "expires_in": EXPIRES_IN}
        return _json(200, fields | {"refresh_token": successor})

    async def serve(stream: trio.SocketStream) -> None:
        # A client that was killed is gone in the middle of anything.
        with contextlib.suppress(trio.BrokenResourceError, h11.LocalProtocolError):
            await serve_http(stream, answer)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port: int = listeners[0].socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}/token"
        nursery.cancel_scope.cancel()


def _json(status: int, value: object) -> Response:
    return Response(status, json.dumps(value).encode(), "application/json")
