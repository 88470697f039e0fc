"""How does the simulated submission server converse (RFC 5321, 6409, 4954, 3207, 3030)?"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Final

from emailproxy.testing.provider.mailbox import Folder, Mailbox
from emailproxy.testing.provider.profile import Profile
from emailproxy.testing.provider.sasl import Gate, Refusal
from emailproxy.testing.provider.wire import Disconnected, LineTooLong, Wire

__all__ = ["SmtpSession"]

LINE_LIMIT: Final = 1000
"""Octets of a command line; Gmail and Dovecot refuse a token behind AUTH with 500 or 555, and so do we."""

TEXT_LIMIT: Final = 16 * 1024 * 1024
"""Octets of one line of a message; the standard says 998, but a proxy must not care."""

SASL_LIMIT: Final = 12_288
"""RFC 4954 section 4."""

_PATH: Final = re.compile(r"(FROM|TO):\s*<([^<>]*)>(?: (.*))?", re.IGNORECASE)


class _Reply(Exception):  # noqa: N818 - an answer
    """Answer with this line."""


class SmtpSession:
    """One connection, from greeting to goodbye."""

    def __init__(
        self,
        wire: Wire,
        gate: Gate,
        profile: Profile,
        starttls: ssl.SSLContext | None,
        mailboxes: Mapping[str, Mailbox],
        outbox: Folder,
    ) -> None:
        self._wire = wire
        self._gate = gate
        self._profile = profile
        self._starttls = starttls
        self._mailboxes = mailboxes
        self._outbox = outbox
        self._user: str | None = None
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._chunks = bytearray()

    async def run(self) -> None:
        """Serve until the client leaves.

        Raises:
            Disconnected: it left without a word.
        """
        await self._line(self._profile.smtp_greeting)
        while True:
            try:
                line = (await self._wire.read_line(LINE_LIMIT)).decode("utf-8", "replace")
                verb, _, rest = line.partition(" ")
                if verb.upper() == "QUIT":
                    await self._line("221 2.0.0 Bye")
                    return
                await self._command(verb.upper(), rest)
            except LineTooLong:
                await self._line("500 5.5.2 Line too long")
            except _Reply as reply:
                await self._line(str(reply))

    async def _line(self, text: str) -> None:
        await self._wire.send(text.encode() + b"\r\n")

    async def _command(self, verb: str, rest: str) -> None:
        match verb:
            case "EHLO" | "HELO":
                self._reset()
                await self._hello(verb, rest)
            case "NOOP":
                await self._line("250 2.0.0 OK")
            case "RSET":
                self._reset()
                await self._line("250 2.0.0 OK")
            case "STARTTLS" if self._starttls is not None and not self._wire.secure:
                await self._line("220 2.0.0 SMTP server ready")
                await self._wire.start_tls(self._starttls)
                self._reset()
            case "AUTH":
                await self._auth(rest.split(" "))
            case "MAIL" | "RCPT" | "DATA" | "BDAT" if self._user is None:
                raise _Reply("530 5.7.57 Client not authenticated to send mail.")
            case "MAIL":
                await self._mail(rest)
            case "RCPT":
                await self._rcpt(rest)
            case "DATA":
                await self._data()
            case "BDAT":
                await self._bdat(rest.split(" "))
            case _:
                raise _Reply("500 5.3.3 Unrecognized command")

    async def _hello(self, verb: str, name: str) -> None:
        host = self._profile.smtp_greeting.split(" ")[1]
        lines = [f"{host} Hello {name or 'stranger'}"]
        if verb == "EHLO":
            lines += self._profile.smtp_extensions
            if self._wire.secure:
                lines.append(f"AUTH {self._profile.smtp_auth}")
            elif self._starttls is not None:
                lines.append("STARTTLS")
        await self._replies("250", lines)

    async def _replies(self, code: str, lines: list[str]) -> None:
        """A reply of several lines (RFC 5321 section 4.2.1)."""
        last = len(lines) - 1
        await self._line(
            "\r\n".join(f"{code}{' ' if index == last else '-'}{text}" for index, text in enumerate(lines))
        )

    async def _auth(self, arguments: list[str]) -> None:
        mechanism = arguments[0].upper()
        if self._user is not None:
            raise _Reply("503 5.5.1 Already authenticated")
        if not self._wire.secure or mechanism not in self._profile.mechanisms:
            raise _Reply("504 5.7.4 Unrecognized authentication type")
        if len(arguments) > 1:
            response = arguments[1].encode()
        else:
            await self._line("334 ")
            response = await self._wire.read_line(SASL_LIMIT)
        if response == b"*":
            raise _Reply("501 5.7.0 Authentication cancelled")
        verdict = self._gate.check("smtp", mechanism, response)
        if isinstance(verdict, Refusal):
            if verdict.challenge is not None:
                await self._line("334 " + verdict.challenge)
                await self._wire.read_line(SASL_LIMIT)
            await self._replies("535", self._profile.smtp_login_no.split("\n"))
            return
        self._user = verdict.user
        await self._line(f"235 {self._profile.smtp_login_ok}")

    # --- a transaction -----------------------------------------------------------------------------------------------

    def _reset(self) -> None:
        self._sender = None
        self._recipients = []
        self._chunks.clear()

    def _path(self, rest: str, word: str) -> tuple[str, str]:
        match = _PATH.fullmatch(rest)
        if match is None or match[1].upper() != word:
            raise _Reply("501 5.5.4 Invalid argument")
        return match[2], match[3] or ""

    def _size_limit(self) -> int:
        sizes = [line for line in self._profile.smtp_extensions if line.startswith("SIZE ")]
        return int(sizes[0].removeprefix("SIZE ")) if sizes else 2**62

    async def _mail(self, rest: str) -> None:
        sender, parameters = self._path(rest, "FROM")
        size = re.search(r"\bSIZE=(\d+)", parameters, re.IGNORECASE)
        if size is not None and int(size[1]) > self._size_limit():
            raise _Reply("552 5.3.4 Message size exceeds fixed maximum message size")
        if self._sender is not None:
            raise _Reply("503 5.5.2 Sender already specified")
        self._sender = sender
        await self._line("250 2.1.0 Sender OK")

    async def _rcpt(self, rest: str) -> None:
        recipient, _ = self._path(rest, "TO")
        if self._sender is None:
            raise _Reply("503 5.5.2 Need mail command")
        self._recipients.append(recipient)
        await self._line("250 2.1.5 Recipient OK")

    async def _data(self) -> None:
        if not self._recipients:
            raise _Reply("503 5.5.2 Need rcpt command")
        await self._line("354 Start mail input; end with <CRLF>.<CRLF>")
        text = bytearray()
        while True:
            try:
                line = await self._wire.read_line(TEXT_LIMIT)
            except LineTooLong as error:
                raise Disconnected("a message's line is too long") from error
            if line == b".":
                break
            text += line.removeprefix(b".") + b"\r\n"
            if len(text) > self._size_limit():
                raise Disconnected("message larger than announced")
        await self._deliver(bytes(text))

    async def _bdat(self, arguments: list[str]) -> None:
        if not arguments[0].isdigit() or int(arguments[0]) + len(self._chunks) > self._size_limit():
            raise Disconnected("BDAT without a usable size")
        self._chunks += await self._wire.read_exactly(int(arguments[0]))
        if not self._recipients:
            self._chunks.clear()
            raise _Reply("503 5.5.2 Need rcpt command")
        if arguments[1:] and arguments[1].upper() == "LAST":
            await self._deliver(bytes(self._chunks))
        else:
            await self._line("250 2.0.0 OK")

    async def _deliver(self, message: bytes) -> None:
        """Into the inbox of every recipient who is a user here; the outbox keeps a copy of all mail."""
        self._outbox.append(message)
        trace = f"Received: by the simulated provider from {self._user}\r\n".encode()
        for recipient in dict.fromkeys(self._recipients):
            mailbox = self._mailboxes.get(recipient.lower())
            if mailbox is not None:
                mailbox.inbox.append(trace + message)
        self._reset()
        await self._line("250 2.0.0 OK queued")
