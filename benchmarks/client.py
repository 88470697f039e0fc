"""How does the benchmark talk IMAP? As little as possible, over one plain blocking socket."""

from __future__ import annotations

import base64
import re
import socket
from dataclasses import dataclass
from typing import Literal

__all__ = ["Account", "Client", "Row"]

CHUNK = 1024 * 1024
LIMIT = 120.0
"""Seconds that any answer may take before the benchmark fails."""


@dataclass(frozen=True)
class Account:
    """Who logs in, and how."""

    user: str
    password: str
    """For a proxy; any will do, the proxy remembers the first."""
    token: str
    """For a tunnel, which leaves the login to its client."""


@dataclass(frozen=True)
class Row:
    """One thing that is measured: where it listens without TLS, and which process does its work."""

    name: str
    host: str
    port: int
    pid: int | None
    """None: of a peer on another host or unknown; its times are measured, its CPU is not."""
    login: Literal["password", "token"]


class Client:
    """One IMAP connection through a row, logged in.

    Raises:
        RuntimeError: the other side said something else than OK.
        OSError: it does not answer.
    """

    def __init__(self, row: Row, account: Account) -> None:
        self._socket = socket.create_connection((row.host, row.port), timeout=LIMIT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._scratch = bytearray(CHUNK)
        greeting = self._read_line()
        if not greeting.startswith(b"* OK"):
            raise RuntimeError(f"{row.name}: greeting was {greeting!r}")
        if row.login == "password":
            self.command(f'LOGIN "{account.user}" "{account.password}"')
        else:
            response = f"user={account.user}\x01auth=Bearer {account.token}\x01\x01".encode()
            self.command("AUTHENTICATE XOAUTH2 " + base64.b64encode(response).decode())

    def command(self, text: str) -> None:
        """Send a command without literals and wait for its OK."""
        self._socket.sendall(b"a " + text.encode() + b"\r\n")
        self._expect_ok(text)

    def fetch(self) -> int:
        """Read the message of the selected folder and drop it; its size in octets."""
        self._socket.sendall(b"a FETCH 1 BODY.PEEK[]\r\n")
        head = self._read_line()
        match = re.search(rb"\{(\d+)\}$", head)
        if match is None:
            raise RuntimeError(f"FETCH was answered {head!r}")
        size = rest = int(match[1])
        taken = min(rest, len(self._buffer))
        del self._buffer[:taken]
        rest -= taken
        view = memoryview(self._scratch)
        while rest:
            count = self._socket.recv_into(view[: min(rest, CHUNK)])
            if not count:
                raise RuntimeError("connection closed in a message")
            rest -= count
        self._expect_ok("FETCH")
        return size

    def append(self, octets: memoryview) -> None:
        """Append a message to the sink and wait for the OK."""
        self._socket.sendall(b"a APPEND Sink {%d+}\r\n" % len(octets))
        self._socket.sendall(octets)
        self._socket.sendall(b"\r\n")
        self._expect_ok("APPEND")

    def idle(self) -> None:
        """Start to idle and leave it there."""
        self._socket.sendall(b"a IDLE\r\n")
        line = self._read_line()
        if not line.startswith(b"+"):
            raise RuntimeError(f"IDLE was answered {line!r}")

    def close(self) -> None:
        """Close the connection without a word."""
        self._socket.close()

    def _expect_ok(self, what: str) -> None:
        while True:
            line = self._read_line()
            if line.startswith(b"a OK"):
                return
            if not line.startswith((b"*", b")")):
                raise RuntimeError(f"{what.split(maxsplit=1)[0]} was answered {line[:200]!r}")

    def _read_line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            count = self._socket.recv_into(self._scratch)
            if not count:
                raise RuntimeError("connection closed")
            self._buffer += memoryview(self._scratch)[:count]
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line
