"""How does the doctor speak with a mail server? The proxy's own machines, step by step, each with a deadline.

A `Conversation` is one connection. It opens as the proxy would; what the proxy does in one go is a step each here.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import trio

from emailproxy.causes.network import connection_cause
from emailproxy.config import MailProtocol, MailServer
from emailproxy.connection import Connection, Scratch
from emailproxy.dialling import Dialler
from emailproxy.doctor.findings import ProblemError
from emailproxy.protocols.events import NeedData, StartTls, Upstream, UpstreamEvent
from emailproxy.protocols.lines import ReceiveBuffer, TooLongError
from emailproxy.protocols.sasl import UpstreamLogin
from emailproxy.protocols.wording import printable
from emailproxy.tls import UpstreamTls
from emailproxy.upstream import CONNECT_LIMIT, ClientHello, machine_for, reason

__all__ = ["Conversation", "connected", "deadline", "problem_of"]

MAX_LINE: Final = 65_536
"""Octets of a line after login: what the machines take before it."""
MAX_LINES: Final = 100
"""Untagged lines before the answer to a command that has one line of answer."""


@contextmanager
def deadline(seconds: float, doing: str) -> Iterator[None]:
    """Turn what goes wrong with a connection into a `ProblemError`.

    Args:
        seconds: how long it may take.
        doing: what it may take that long, a verb for a message.
    """
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError:
        raise problem_of(f"it did not {doing} in time ({seconds:g} s)") from None
    except ssl.SSLCertVerificationError as error:
        raise problem_of(error.verify_message) from None
    except OSError as error:
        raise problem_of(reason(error)) from None


def problem_of(words: str) -> ProblemError:
    """What `words` of the system or of OpenSSL mean."""
    told = printable(words)
    return ProblemError(told, connection_cause(told))


class Conversation:
    """One connection to `server`; made by `connected`."""

    def __init__(
        self, server: MailServer, connection: Connection, tls: UpstreamTls, login: UpstreamLogin | None
    ) -> None:
        self._server = server
        self._connection = connection
        self._tls = tls
        self.machine: Upstream = machine_for(server, login, ClientHello())
        self._behind = ReceiveBuffer()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS state; None in plain text."""
        return self._connection.tls

    async def secure(self) -> None:
        """Shake hands. Raises OSError."""
        host, port = self._server.address, self._server.port
        await self._connection.start_tls(lambda incoming, outgoing: self._tls.wrap(incoming, outgoing, host, port))

    async def proceed(self) -> UpstreamEvent:
        """Drive the machine to its next event that is not about data: `StartTls`, or its last word. Raises OSError."""
        while True:
            event = self.machine.next_event()
            await self._connection.send(self.machine.data_to_send())
            if not isinstance(event, NeedData):
                return event
            self.machine.receive_data(await self._connection.receive())

    async def finish(self) -> UpstreamEvent:
        """Drive the machine to its last word, TLS on the way included. Raises OSError."""
        event = await self.proceed()
        if isinstance(event, StartTls):
            await self.secure()
            self.machine.secured()
            event = await self.proceed()
        return event

    async def ask(self, command: str) -> bytes:
        """After login: send `command`, and return the line that answers it (IMAP: tagged ``D1``).

        Raises:
            OSError: broken, or no such answer.
        """
        imap = self._server.protocol is MailProtocol.IMAP
        if self.machine.trailing_data:
            self._behind.feed(self.machine.trailing_data)
        await self._connection.send(f"{'D1 ' if imap else ''}{command}\r\n".encode())
        for _ in range(MAX_LINES):
            line = await self._line()
            if not imap or line.upper().startswith((b"D1 ", b"* BYE")):
                return line
        raise ConnectionAbortedError(f"no answer to {command} in {MAX_LINES} lines")

    async def leave(self) -> None:
        """Say goodbye, without waiting for the answer. Raises OSError."""
        await self._connection.send(b"D2 LOGOUT\r\n" if self._server.protocol is MailProtocol.IMAP else b"QUIT\r\n")

    async def _line(self) -> bytes:
        while True:
            try:
                line = self._behind.line(MAX_LINE)
            except TooLongError as error:
                raise ConnectionAbortedError(str(error)) from None
            if line is not None:
                return line
            data = await self._connection.receive()
            if not data:
                raise ConnectionResetError("the server closed the connection")
            self._behind.feed(data)


@asynccontextmanager
async def connected(server: MailServer, tls: UpstreamTls, login: UpstreamLogin | None) -> AsyncIterator[Conversation]:
    """A TCP connection to `server`, closed at the end of the block.

    Raises:
        ProblemError: there is none.
    """
    with deadline(CONNECT_LIMIT, "connect"):
        sock = await Dialler().dial(server.address, server.port)
    connection = Connection(sock, Scratch())
    try:
        yield Conversation(server, connection, tls, login)
    finally:
        connection.close()
