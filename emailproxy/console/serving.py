"""How does a connection become requests and answers? hypercorn's protocol for each, between limits of our own.

hypercorn speaks HTTP and WebSocket very well, but its worker is made for a process of its own: it never gives up a peer
that does not read, not even when it is cancelled; it knows no limit of connections; and it takes its certificate once.
So we accept, shake hands and close ourselves, and give each connection to hypercorn's `TCPServer` in a stream that
bounds every send. When the server ends, streams are broken first, so that nothing can hold it up.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app
from starlette.types import ASGIApp

from emailproxy.console.sockets import Bound

__all__ = ["serve"]

log = logging.getLogger("emailproxy.console")

MAX_CONNECTIONS: Final = 256
"""At a time: forty browsers. More are closed at once."""
HANDSHAKE_SECONDS: Final = 10.0
"""For TLS."""
IDLE_SECONDS: Final = 15.0
"""For the head of a request, and between two: Prometheus asks every 15 to 60, and a new connection costs little."""
SEND_SECONDS: Final = 15.0
"""For a piece of an answer to leave: who reads nothing for so long is gone."""
MAX_HEAD: Final = 16 * 1024
"""Octets of a request's head: codes of Microsoft have 2 KB, cookies for ``localhost`` some more."""
MAX_SAID: Final = 4096
"""Octets of a WebSocket message from a watcher, who has nothing to say."""


class _BoundedStream(trio.abc.HalfCloseableStream):
    """A connection that gives up a peer who does not read, and that can be broken whatever anybody shields."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._sending = trio.CancelScope()
        self._broken = False
        self.socket = stream.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._broken:
            raise trio.ClosedResourceError
        with trio.move_on_after(SEND_SECONDS) as self._sending:
            await self._stream.send_all(data)
        if self._sending.cancelled_caught:
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError("the peer does not read")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def break_off(self) -> None:
        """End a send that is under way, and every other."""
        self._broken = True
        self._sending.cancel()


async def serve(
    app: ASGIApp,
    bound: Bound,
    context: Callable[[], ssl.SSLContext | None],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer at `bound` until cancelled, and close it.

    Args:
        app: answers; no lifespan messages.
        bound: where.
        context: TLS for connections to come; None: plain text.
        task_status: told when connections are accepted.
    """
    config = _config()
    worker = WorkerContext(None)
    wrapped = wrap_app(app, 0, "asgi")  # type: ignore[arg-type]  # two names for the same protocol
    streams: set[_BoundedStream] = set()

    async def visit(accepted: trio.SocketStream) -> None:
        if len(streams) >= MAX_CONNECTIONS:
            log.warning("the console has %d connections, one more was closed", MAX_CONNECTIONS)
            await trio.aclose_forcefully(accepted)
            return
        bounded = _BoundedStream(accepted)
        tls = context()
        stream = trio.SSLStream(bounded, tls, server_side=True, https_compatible=True) if tls is not None else bounded
        streams.add(bounded)
        try:
            await TCPServer(wrapped, config, worker, ConnectionState({}), stream)  # type: ignore[arg-type]
        except Exception:
            # The fence: a mistake in what is not ours ends this connection, and not the mail.
            log.exception("a connection of the console ended by a mistake")
        finally:
            streams.discard(bounded)
            await trio.aclose_forcefully(accepted)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_break_in_the_end, streams)
            nursery.start_soon(partial(trio.serve_listeners, visit, bound.listeners()))
            task_status.started()
    finally:
        bound.close()


async def _break_in_the_end(streams: set[_BoundedStream]) -> None:
    try:
        await trio.sleep_forever()
    finally:
        for stream in streams:
            stream.break_off()


def _config() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = log  # it only ever says what went wrong within a request
    config.include_server_header = False
    config.alpn_protocols = ["http/1.1"]
    config.h11_max_incomplete_size = MAX_HEAD
    config.keep_alive_timeout = IDLE_SECONDS
    config.ssl_handshake_timeout = HANDSHAKE_SECONDS
    config.websocket_max_message_size = MAX_SAID
    # No pings of WebSocket: the hub breaks long silences, and the tasks that send them outlive their connections.
    config.websocket_ping_interval = None
    return config
