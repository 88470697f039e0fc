"""How does a benchmark's client read and write? Blocking, over one socket, with or without TLS."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType
from typing import Self

__all__ = ["LIMIT", "Wire"]

CHUNK = 1024 * 1024
LIMIT = 120.0
"""Seconds that any answer may take before the benchmark fails."""


class Wire:
    """One connection: lines and counted octets.

    Raises:
        OSError: nobody answers, or not in time.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection((host, port), timeout=LIMIT)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = plain if tls is None else tls.wrap_socket(plain, server_hostname="localhost")
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, octets: bytes | memoryview) -> None:
        """Write all of it."""
        self._socket.sendall(octets)

    def line(self) -> bytes:
        """The next line without its CRLF.

        Raises:
            RuntimeError: the connection ended.
        """
        while (end := self._buffer.find(b"\r\n")) < 0:
            data = self._socket.recv(16384)
            if not data:
                raise RuntimeError("connection closed")
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def drop(self, count: int) -> None:
        """Read so many octets and keep none of them.

        Raises:
            RuntimeError: the connection ended.
        """
        taken = min(count, len(self._buffer))
        del self._buffer[:taken]
        count -= taken
        # Only who reads much has a big buffer, and not while it idles.
        view = memoryview(bytearray(min(count, CHUNK)))
        while count:
            got = self._socket.recv_into(view[: min(count, CHUNK)])
            if not got:
                raise RuntimeError("connection closed in a message")
            count -= got

    def drop_until(self, mark: bytes) -> None:
        """Read until these octets have come, and keep nothing before or with them.

        Raises:
            RuntimeError: the connection ended.
        """
        keep = len(mark) - 1
        while (at := self._buffer.find(mark)) < 0:
            del self._buffer[: max(0, len(self._buffer) - keep)]
            data = self._socket.recv(CHUNK)
            if not data:
                raise RuntimeError("connection closed")
            self._buffer += data
        del self._buffer[: at + len(mark)]

    def close(self) -> None:
        """Close the connection without a word."""
        self._socket.close()
