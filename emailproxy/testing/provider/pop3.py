"""How does the simulated POP3 server converse (RFC 1939, 2449, 2595, 5034)?"""

from __future__ import annotations

import ssl
from typing import Final

from emailproxy.testing.provider.mailbox import Mailbox, Message
from emailproxy.testing.provider.profile import Profile
from emailproxy.testing.provider.sasl import Gate, Refusal
from emailproxy.testing.provider.wire import LineTooLong, Wire

__all__ = ["Pop3Session"]

LINE_LIMIT: Final = 255
"""Octets of a command line (RFC 2449 section 4). A token does not fit behind AUTH, as with the real servers."""

SASL_LIMIT: Final = 12_288


class _Negative(Exception):  # noqa: N818 - an answer
    """Answer ``-ERR`` with these words."""


class Pop3Session:
    """One connection, from greeting to goodbye."""

    def __init__(self, wire: Wire, gate: Gate, profile: Profile, stls: ssl.SSLContext | None) -> None:
        self._wire = wire
        self._gate = gate
        self._profile = profile
        self._stls = stls
        self._mailbox: Mailbox | None = None
        self._maildrop: list[Message] = []
        """The messages at the time of login, which is all that this session sees (RFC 1939 section 4)."""
        self._deleted: set[int] = set()

    async def run(self) -> None:
        """Serve until the client leaves.

        Raises:
            Disconnected: it left without a word.
        """
        await self._line(self._profile.pop3_greeting)
        while True:
            try:
                words = (await self._wire.read_line(LINE_LIMIT)).decode("utf-8", "replace").split(" ")
                command, arguments = words[0].upper(), words[1:]
                if command == "QUIT":
                    await self._quit()
                    return
                if self._mailbox is None:
                    await self._before_login(command, arguments)
                else:
                    await self._transaction(command, arguments)
            except LineTooLong:
                await self._line("-ERR Line too long.")
            except _Negative as negative:
                await self._line(f"-ERR {negative}")

    async def _line(self, text: str) -> None:
        await self._wire.send(text.encode() + b"\r\n")

    async def _listing(self, first: str, lines: list[str]) -> None:
        await self._line("\r\n".join([first, *lines, "."]))

    def _capabilities(self) -> list[str]:
        capabilities = list(self._profile.pop3_capabilities)
        if not self._wire.secure:
            capabilities = [line for line in capabilities if not line.startswith("SASL ")]
            capabilities.append("STLS")
        return capabilities

    # --- AUTHORIZATION state -----------------------------------------------------------------------------------------

    async def _before_login(self, command: str, arguments: list[str]) -> None:
        match command:
            case "CAPA":
                await self._listing("+OK", self._capabilities())
            case "STLS" if self._stls is not None and not self._wire.secure:
                await self._line("+OK Begin TLS negotiation.")
                await self._wire.start_tls(self._stls)
            case "AUTH" if arguments:
                await self._auth(arguments)
            case "USER":
                await self._line("+OK")
            case "PASS":
                raise _Negative("[AUTH] Basic authentication is not supported.")
            case _:
                raise _Negative("Command is not valid in this state.")

    async def _auth(self, arguments: list[str]) -> None:
        mechanism = arguments[0].upper()
        if not self._wire.secure or mechanism not in self._profile.mechanisms:
            raise _Negative("Mechanism is not supported.")
        if len(arguments) > 1:
            response = arguments[1].encode()
        else:
            await self._line("+ ")
            response = await self._wire.read_line(SASL_LIMIT)
        if response == b"*":
            raise _Negative("AUTH cancelled.")
        verdict = self._gate.check("pop3", mechanism, response)
        if isinstance(verdict, Refusal):
            if verdict.challenge is not None:
                await self._line("+ " + verdict.challenge)
                await self._wire.read_line(SASL_LIMIT)
            raise _Negative(self._profile.pop3_login_no)
        self._mailbox = verdict
        self._maildrop = list(verdict.inbox.messages)
        await self._line(f"+OK {self._profile.pop3_login_ok}")

    # --- TRANSACTION state -------------------------------------------------------------------------------------------

    async def _transaction(self, command: str, arguments: list[str]) -> None:
        match command:
            case "CAPA":
                await self._listing("+OK", self._capabilities())
            case "NOOP":
                await self._line("+OK")
            case "RSET":
                self._deleted.clear()
                await self._line("+OK")
            case "STAT":
                present = self._present()
                await self._line(f"+OK {len(present)} {sum(len(message.octets) for _, message in present)}")
            case "LIST" | "UIDL":
                await self._scan(command, arguments)
            case "RETR":
                number, message = self._numbered(arguments)
                await self._wire.send(b"+OK %d octets\r\n" % len(message.octets) + _stuffed(message.octets) + b".\r\n")
            case "TOP" if len(arguments) == 2 and arguments[1].isdigit():
                number, message = self._numbered(arguments)
                header, _, body = message.octets.partition(b"\r\n\r\n")
                lines = body.split(b"\r\n")[: int(arguments[1])]
                text = header + b"\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
                await self._wire.send(b"+OK\r\n" + _stuffed(text) + b".\r\n")
            case "DELE":
                number, message = self._numbered(arguments)
                self._deleted.add(number)
                await self._line("+OK Message deleted.")
            case _:
                raise _Negative("Command unknown.")

    def _present(self) -> list[tuple[int, Message]]:
        return [(number, m) for number, m in enumerate(self._maildrop, 1) if number not in self._deleted]

    def _numbered(self, arguments: list[str]) -> tuple[int, Message]:
        for number, message in self._present():
            if arguments and arguments[0] == str(number):
                return number, message
        raise _Negative("No such message.")

    async def _scan(self, command: str, arguments: list[str]) -> None:
        def row(number: int, message: Message) -> str:
            return f"{number} {len(message.octets) if command == 'LIST' else f'uid-{message.uid}'}"

        if arguments:
            await self._line("+OK " + row(*self._numbered(arguments)))
        else:
            await self._listing("+OK", [row(number, message) for number, message in self._present()])

    async def _quit(self) -> None:
        if self._mailbox is not None:
            for number in self._deleted:
                self._mailbox.inbox.remove(self._maildrop[number - 1])
        await self._line("+OK Bye.")


def _stuffed(octets: bytes) -> bytes:
    """With a second full stop where a line starts with one (RFC 1939 section 3), ending in CRLF."""
    text = octets.replace(b"\r\n.", b"\r\n..")
    if text.startswith(b"."):
        text = b"." + text
    return text if text.endswith(b"\r\n") else text + b"\r\n"
