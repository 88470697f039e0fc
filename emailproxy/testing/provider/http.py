"""How does the provider speak HTTP? One handler per connection on h11, requests and responses as values."""

from __future__ import annotations

import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import h11
import trio

__all__ = ["HangUp", "Request", "Response", "serve_http"]

BODY_LIMIT: Final = 64 * 1024
"""Octets of a request's body: an OAuth request has at most a few kilobytes (a client assertion)."""


class HangUp(Exception):  # noqa: N818 - an order, not a fault
    """Raised by a handler: close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read completely."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The body as ``application/x-www-form-urlencoded``."""
        return dict(urllib.parse.parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """One response; `Content-Length` is added."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]


async def serve_http(stream: trio.abc.Stream, handler: Handler) -> None:
    """Answer requests on `stream` until either side is done. The stream stays the caller's."""
    connection = h11.Connection(h11.SERVER)
    try:
        while True:
            request = await _read_request(stream, connection)
            if request is None:
                return
            response = await handler(request)
            await _send_response(stream, connection, response)
            if connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()
    except HangUp:
        return
    except h11.RemoteProtocolError as error:
        if connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            await _send_response(stream, connection, Response(error.error_status_hint or 400))


async def _read_request(stream: trio.abc.Stream, connection: h11.Connection) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some()))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_LIMIT:
                raise h11.RemoteProtocolError("body is too large", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            url = urllib.parse.urlsplit(head.target.decode("ascii", "replace"))
            return Request(
                method=head.method.decode("ascii"),
                path=url.path,
                query=dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)),
                headers={name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers},
                body=bytes(body),
            )
        else:
            return None


async def _send_response(stream: trio.abc.Stream, connection: h11.Connection, response: Response) -> None:
    headers = [
        ("Content-Length", str(len(response.body))),
        ("Content-Type", response.content_type),
        ("Cache-Control", "no-store"),
        *response.headers.items(),
    ]
    data = connection.send(h11.Response(status_code=response.status, headers=headers)) or b""
    data += connection.send(h11.Data(data=response.body)) or b""
    data += connection.send(h11.EndOfMessage()) or b""
    await stream.send_all(data)
