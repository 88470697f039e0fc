"""How do the simulated servers read and write? Lines, counted octets and an upgrade to TLS over one trio stream."""

from __future__ import annotations

import contextlib
import ssl
from typing import Final

import trio

__all__ = ["Disconnected", "LineTooLong", "Wire"]

CHUNK: Final = 256 * 1024
"""Octets written at once: large enough that the provider is not the slow part of a benchmark."""

STREAM_ERRORS: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


class Disconnected(Exception):  # noqa: N818 - an event of the session, not a fault
    """The client is gone, or broke the protocol in a way that ends the connection."""


class LineTooLong(Exception):  # noqa: N818 - the handler answers it
    """The line exceeds the limit; it was read to its end and thrown away."""


class Wire:
    """One connection to a client. It owns the stream's framing, not the stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self.secure = isinstance(stream, trio.SSLStream)

    async def read_line(self, limit: int) -> bytes:
        """The next line without its CRLF (a bare LF is tolerated).

        Raises:
            LineTooLong: it has more than `limit` octets; the next call reads the line behind it.
            Disconnected: the stream ended.
        """
        searched = 0
        too_long = False
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                if too_long or len(line) > limit:
                    raise LineTooLong
                return line.removesuffix(b"\r")
            if len(self._buffer) > limit:
                too_long = True
                self._buffer.clear()
            searched = len(self._buffer)
            self._buffer += await self._receive()

    async def read_exactly(self, count: int) -> bytes:
        """The next `count` octets.

        Raises:
            Disconnected: the stream ended before.
        """
        while len(self._buffer) < count:
            self._buffer += await self._receive()
        data = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return data

    async def discard(self, count: int) -> None:
        """Read `count` octets and keep none of them.

        Raises:
            Disconnected: the stream ended before.
        """
        taken = min(count, len(self._buffer))
        del self._buffer[:taken]
        count -= taken
        while count:
            data = await self._receive()
            if len(data) > count:
                self._buffer += data[count:]
            count -= min(count, len(data))

    @property
    def pending(self) -> bool:
        """Whether the client has sent more than was read."""
        return bool(self._buffer)

    async def _receive(self) -> bytes:
        try:
            data = bytes(await self._stream.receive_some(CHUNK))
        except STREAM_ERRORS as error:
            raise Disconnected(f"broken: {error}") from error
        if not data:
            raise Disconnected("closed by the client")
        return data

    async def send(self, data: bytes) -> None:
        """Write all of `data`.

        Raises:
            Disconnected: the client is gone.
        """
        view = memoryview(data)
        try:
            for start in range(0, len(view), CHUNK):
                await self._stream.send_all(view[start : start + CHUNK])
        except STREAM_ERRORS as error:
            raise Disconnected(f"broken: {error}") from error

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands as a server; the positive answer has been sent.

        Raises:
            Disconnected: the handshake failed, or plain text was sent behind the command (command injection).
        """
        if self._buffer:
            raise Disconnected("data behind STARTTLS")
        stream = trio.SSLStream(self._stream, context, server_side=True, https_compatible=True)
        try:
            await stream.do_handshake()
        except STREAM_ERRORS as error:
            raise Disconnected(f"TLS handshake failed: {error}") from error
        self._stream = stream
        self.secure = True

    async def aclose(self) -> None:
        """Say goodbye inside TLS, then close; never raises for a client that is already gone."""
        with contextlib.suppress(*STREAM_ERRORS):
            await self._stream.aclose()
