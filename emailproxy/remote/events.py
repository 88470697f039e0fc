"""How does another process hear what happens in a running proxy? ``/events``, and again when the connection is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from emailproxy.console.messages import MAX_MESSAGE, Envelope, MessageError, decode
from emailproxy.oauth.foreign import foreign
from emailproxy.remote.errors import MissingExtraError, NotRunningError, RefusedError, RemoteError
from emailproxy.remote.place import ConsolePlace

if TYPE_CHECKING:
    from trio_websocket import WebSocketConnection

__all__ = ["Tell", "follow"]

CONNECT_SECONDS: Final = 20.0
"""For the connection, TLS, and the answer to the handshake."""
CLOSE_SECONDS: Final = 2.0
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 15.0
"""Seconds between two attempts to come back: a proxy that is restarted is there again within a few."""

Tell = Callable[[Envelope, str], bool]
"""Hears a message and its text; whether that was enough."""


async def follow(place: ConsolePlace, tell: Tell, lost: Callable[[str, float], None]) -> None:
    """Tell of every message until it was enough, and come back when the connection is lost.

    Args:
        place: whose.
        tell: hears each message; must not block.
        lost: hears that the connection is lost, why, and in how many seconds there will be an attempt to come back.

    Raises:
        NotRunningError: nobody answers the first time.
        RefusedError, MissingExtraError, RemoteError: at any time, as there is no use in trying again.
    """
    _check_extra()
    listener = _Listener(place, tell)
    pause = FIRST_PAUSE
    while True:
        listener.heard = False
        why = "the proxy has closed the connection"
        try:
            if await listener.listen():
                return
        except NotRunningError as error:
            if not listener.stream:
                raise
            why = str(error)
        pause = FIRST_PAUSE if listener.heard else min(pause * 2, LONGEST_PAUSE)
        lost(why, pause)
        await trio.sleep(pause)


class _Listener:
    """Knows what was heard last, so that the next connection goes on from there."""

    def __init__(self, place: ConsolePlace, tell: Tell) -> None:
        self._place = place
        self._tell = tell
        self.stream = ""
        self._sequence = 0
        self.heard = False

    async def listen(self) -> bool:
        """One connection, from its beginning to its end; whether it was enough. Raises RemoteError."""
        problem: RemoteError | None = None
        enough = False
        async with trio.open_nursery() as nursery:
            try:
                connection = await self._connected(nursery)
                try:
                    enough = await self._hear(connection)
                finally:
                    # Not shielded: who is cancelled has no time for goodbyes, and nobody would read the answer.
                    with trio.move_on_after(CLOSE_SECONDS):
                        await connection.aclose()
            except RemoteError as error:
                problem = error
            nursery.cancel_scope.cancel()
        if problem is not None:  # raised out here, where no nursery makes a group of it
            raise problem
        return enough

    async def _connected(self, nursery: trio.Nursery) -> WebSocketConnection:
        from trio_websocket import ConnectionRejected, HandshakeError, wrap_client_stream

        place = self._place
        resource = f"/events?stream={self.stream}&after={self._sequence}" if self.stream else "/events"
        with trio.move_on_after(CONNECT_SECONDS):
            try:
                return await wrap_client_stream(
                    nursery,
                    await _opened_stream(place),  # type: ignore[arg-type]  # its types name two of what it takes
                    place.netloc,
                    resource,
                    extra_headers=[(b"Authorization", b"Bearer " + place.token.octets)],
                    max_message_size=MAX_MESSAGE,
                    receive_buffer_size=64 * 1024,
                )
            except ConnectionRejected as error:
                if error.status_code in (401, 403):
                    raise RefusedError(f"{place} does not accept our token") from None
                raise RemoteError(f"{place} tells no events (HTTP status {error.status_code})") from None
            except (OSError, trio.BrokenResourceError, HandshakeError) as error:
                said = foreign(error) or type(error).__name__
                raise NotRunningError(f"no proxy answers at {place}: {said}") from None
        raise NotRunningError(f"{place} has not answered within {CONNECT_SECONDS:g} s")

    async def _hear(self, connection: WebSocketConnection) -> bool:
        from trio_websocket import ConnectionClosed

        while True:
            try:
                text = await connection.get_message()
            except ConnectionClosed:
                return False
            try:
                envelope = decode(text)
            except MessageError as error:
                raise RemoteError(f"{self._place} is no console of this version: {error}") from None
            self.stream, self._sequence, self.heard = envelope.stream, envelope.sequence, True
            if self._tell(envelope, text if isinstance(text, str) else text.decode()):
                return True


def _check_extra() -> None:
    try:
        import trio_websocket  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "to hear what happens in a running proxy, install the extra: pip install 'emailproxy-cloud[console]'"
        ) from None
    # What it says of every frame is nobody's business here.
    logging.getLogger("trio-websocket").setLevel(logging.ERROR)


async def _opened_stream(place: ConsolePlace) -> trio.abc.Stream:
    stream: trio.SocketStream
    if place.path is not None:
        stream = await trio.open_unix_socket(str(place.path))
    else:
        stream = await trio.open_tcp_stream(place.host, place.port)
    if place.tls is None:
        return stream
    secured = trio.SSLStream(stream, place.tls, server_hostname=place.host, https_compatible=True)
    await secured.do_handshake()
    return secured
