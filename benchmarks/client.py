"""How does a benchmark talk to a row? As a mail client, with a password or, to a tunnel, with a token."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.wire import LIMIT, Wire

__all__ = ["LIMIT", "PROTOCOLS", "Account", "Client", "Pop3Client", "Protocol", "Row", "SmtpClient", "open_client"]

Protocol = Literal["imap", "pop3", "smtp"]
PROTOCOLS: tuple[Protocol, ...] = ("imap", "pop3", "smtp")


@dataclass(frozen=True)
class Account:
    """Who logs in, and how."""

    user: str
    password: str
    """For a proxy; any will do, the proxy remembers the first."""
    token: str
    """For a tunnel, which leaves the login to its client."""

    @property
    def bearer(self) -> str:
        """The response of XOAUTH2, in base64."""
        return base64.b64encode(f"user={self.user}\x01auth=Bearer {self.token}\x01\x01".encode()).decode()

    @property
    def plain(self) -> str:
        """The response of PLAIN (RFC 4616), in base64."""
        return base64.b64encode(f"\0{self.user}\0{self.password}".encode()).decode()


@dataclass(frozen=True)
class Row:
    """One thing that is measured: where it listens, and which process does its work."""

    name: str
    host: str
    port: int
    """IMAP without TLS; 0: there is none, only the one with TLS."""
    pid: int | None
    """None: of a peer on another host or unknown; its times are measured, its CPU is not."""
    login: Literal["password", "token"]
    others: Mapping[str, int] = field(default_factory=dict)
    """Its other ports: ``pop3`` and ``smtp`` without TLS, ``imaps`` with TLS; what it does not serve is not there."""
    tls: ssl.SSLContext | None = None
    """What a client of ``imaps`` trusts."""
    most: int | None = None
    """The most sessions that are asked of it; None: any number."""
    holds: int | None = None
    """The most sessions that it takes by its own reckoning; None: as many as its files allow."""

    def port_of(self, protocol: str) -> int | None:
        """Where it serves `protocol`; None: it does not."""
        return self.port if protocol == "imap" else self.others.get(protocol)


class Client(Wire):
    """One IMAP connection through a row, logged in.

    Raises:
        RuntimeError: the other side said something else than OK.
        OSError: it does not answer.
    """

    def __init__(self, row: Row, account: Account, *, tls: bool = False) -> None:
        tls = tls or not row.port
        port = row.others["imaps"] if tls else row.port
        super().__init__(row.host, port, row.tls if tls else None)
        self._name = row.name
        greeting = self.line()
        if not greeting.startswith(b"* OK"):
            raise RuntimeError(f"{row.name}: greeting was {greeting!r}")
        if row.login == "password":
            self.command(f'LOGIN "{account.user}" "{account.password}"')
        else:
            self.command(f"AUTHENTICATE XOAUTH2 {account.bearer}")

    def command(self, text: str) -> None:
        """Send a command without literals and wait for its OK."""
        self.send(b"a " + text.encode() + b"\r\n")
        self._expect_ok(text)

    def fetch(self, octets: int | None = None) -> int:
        """Read the message of the selected folder, or its first `octets`, and drop it; how many came."""
        part = "" if octets is None else f"<0.{octets}>"
        self.send(f"a FETCH 1 BODY.PEEK[]{part}\r\n".encode())
        head = self.line()
        match = re.search(rb"\{(\d+)\}$", head)
        if match is None:
            raise RuntimeError(f"{self._name}: FETCH was answered {head!r}")
        size = int(match[1])
        self.drop(size)
        self._expect_ok("FETCH")
        return size

    def fetch_pipelined(self, count: int) -> None:
        """Ask for messages 1 to `count`, each with a command of its own, all in one go; read and drop the answers."""
        self.send(b"".join(b"m%d FETCH %d BODY.PEEK[]\r\n" % (number, number) for number in range(1, count + 1)))
        self.drop_until(b"\r\nm%d OK" % count)
        self.line()

    def append(self, octets: bytes | memoryview, folder: str = "Sink") -> None:
        """Append a message and wait for the OK."""
        self.send(f"a APPEND {folder} {{{len(octets)}+}}\r\n".encode())
        self.send(octets)
        self.send(b"\r\n")
        self._expect_ok("APPEND")

    def idle(self) -> None:
        """Start to idle and leave it there."""
        self.send(b"a IDLE\r\n")
        line = self.line()
        if not line.startswith(b"+"):
            raise RuntimeError(f"{self._name}: IDLE was answered {line!r}")

    def leave(self) -> None:
        """Log out and close."""
        self.command("LOGOUT")
        self.close()

    def _expect_ok(self, what: str) -> None:
        while True:
            line = self.line()
            if line.startswith(b"a OK"):
                return
            if not line.startswith((b"*", b")")):
                raise RuntimeError(f"{self._name}: {what.split(maxsplit=1)[0]} was answered {line[:200]!r}")


class Pop3Client(Wire):
    """One POP3 connection through a row, logged in.

    Raises:
        RuntimeError: the other side said something else than +OK.
        OSError: it does not answer.
    """

    def __init__(self, row: Row, account: Account) -> None:
        super().__init__(row.host, row.others["pop3"])
        self._name = row.name
        self._expect(b"+OK", "greeting")
        if row.login == "password":
            self.command(f"USER {account.user}")
            self.command(f"PASS {account.password}")
        else:
            self.send(b"AUTH XOAUTH2\r\n")
            self._expect(b"+", "AUTH")
            self.send(account.bearer.encode() + b"\r\n")
            self._expect(b"+OK", "AUTH")

    def command(self, text: str) -> None:
        """Send a command with an answer of one line, and wait for its +OK."""
        self.send(text.encode() + b"\r\n")
        self._expect(b"+OK", text)

    def leave(self) -> None:
        """Quit and close."""
        self.command("QUIT")
        self.close()

    def _expect(self, start: bytes, what: str) -> None:
        line = self.line()
        if not line.startswith(start):
            raise RuntimeError(f"{self._name}: {what.split(maxsplit=1)[0]} was answered {line[:200]!r}")


class SmtpClient(Wire):
    """One submission connection through a row, logged in.

    Raises:
        RuntimeError: the other side refused.
        OSError: it does not answer.
    """

    def __init__(self, row: Row, account: Account) -> None:
        super().__init__(row.host, row.others["smtp"])
        self._name = row.name
        self._reply(b"220", "greeting")
        self.command("EHLO client.example.com", b"250")
        if row.login == "password":
            self.command(f"AUTH PLAIN {account.plain}", b"235")
        else:
            self.command("AUTH XOAUTH2", b"334")
            self.command(account.bearer, b"235", "XOAUTH2")

    def command(self, text: str, code: bytes, name: str | None = None) -> None:
        """Send a command and wait for the reply with this code."""
        self.send(text.encode() + b"\r\n")
        self._reply(code, name or text)

    def submit(self, sender: str, recipient: str, message: bytes) -> None:
        """Send one message whose lines do not begin with a dot."""
        self.command(f"MAIL FROM:<{sender}>", b"250")
        self.command(f"RCPT TO:<{recipient}>", b"250")
        self.command("DATA", b"354")
        self.send(message + b"\r\n.\r\n")
        self._reply(b"250", "DATA")

    def leave(self) -> None:
        """Quit and close."""
        self.command("QUIT", b"221")
        self.close()

    def _reply(self, code: bytes, what: str) -> None:
        while True:
            line = self.line()
            if not line.startswith(code):
                raise RuntimeError(f"{self._name}: {what.split(maxsplit=1)[0]} was answered {line[:200]!r}")
            if line[3:4] != b"-":
                return


def open_client(row: Row, protocol: Protocol, account: Account) -> Client | Pop3Client | SmtpClient:
    """Connect and log in; raises what the protocol's client raises."""
    if protocol == "imap":
        return Client(row, account)
    return Pop3Client(row, account) if protocol == "pop3" else SmtpClient(row, account)
