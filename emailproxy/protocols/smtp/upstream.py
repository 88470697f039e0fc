"""How does one log in to an SMTP server with a token? The client's side of RFC 5321, 3207 and 4954."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from emailproxy.protocols.events import (
    NEED_DATA,
    CapabilitiesReceived,
    LoggedIn,
    LoginRefused,
    StartTls,
    UpstreamEvent,
    UpstreamFailed,
)
from emailproxy.protocols.lines import LineTooLongError, ReceiveBuffer
from emailproxy.protocols.refusals import is_temporary
from emailproxy.protocols.sasl import TokenExchange, UpstreamLogin
from emailproxy.protocols.wording import printable

__all__ = ["UpstreamSmtp"]

MAX_LINE: Final = 65_536
"""Octets of a server's line: 100 times what RFC 5321 (4.5.3.1.5) allows, and one TCP window."""
MAX_HEARD: Final = 262_144
"""Octets that a server may say until login is over. Bounds everything that is kept, multi-line replies above all."""

_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_CLIENT_NAME: Final = re.compile(r"[\x21-\x7e]{1,255}")
_NAMELESS: Final = "[127.0.0.1]"
"""RFC 5321, 4.1.4: a client without a name says its address."""
_AUTH: Final = re.compile(r"AUTH[ =](.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Reply:
    code: int
    """RFC 5321, 4.2; 334 for Yahoo's bare ``+`` as well."""
    lines: tuple[bytes, ...]
    """The text of each line, without the code."""


class _State(enum.Enum):
    """What is awaited."""

    GREETING = "the greeting"
    EHLO = "the answer to EHLO"
    STARTTLS = "the answer to STARTTLS"
    HANDSHAKE = "the TLS handshake"
    AUTH = "the answer to AUTH"
    RELAY = "nothing more: logged in"


class UpstreamSmtp:
    """The SMTP client that a server sees until it is logged in (`emailproxy.protocols.events.Upstream`)."""

    def __init__(self, *, login: UpstreamLogin | None, starttls: bool, client_name: str) -> None:
        """Wait for the greeting.

        Args:
            login: with what to log in; None asks for the capabilities and says goodbye.
            starttls: whether to insist on STARTTLS before anything else.
            client_name: what to say in EHLO: the client's own name (`DownstreamSmtp.client_name`) or ours.
        """
        self._login = login
        self._starttls = starttls
        self._client_name = client_name if _CLIENT_NAME.fullmatch(client_name) else _NAMELESS
        self._in = ReceiveBuffer()
        self._out = bytearray()
        self._state = _State.GREETING
        self._end: UpstreamEvent | None = None
        self._heard = 0
        self._lines: list[bytes] = []
        self._exchange: TokenExchange | None = None
        self._offered: tuple[str, ...] = ()

    # --- the driver's side ---

    def receive_data(self, data: bytes) -> None:
        """See `Upstream.receive_data`."""
        if self._end is None:
            self._in.feed(data)

    def next_event(self) -> UpstreamEvent:
        """See `Upstream.next_event`. The last event of a failed session is given again and again."""
        while self._end is None:
            if self._state is _State.RELAY:
                return NEED_DATA
            if self._state is _State.HANDSHAKE and len(self._in):
                return self._fail("data behind STARTTLS")
            try:
                line = self._in.line(MAX_LINE)
            except LineTooLongError as error:
                return self._fail(str(error))
            event = NEED_DATA if line is None else self._handle(line)
            if event is NEED_DATA and self._in.ended:
                return self._fail("the server closed the connection")
            if event is not None:
                return event
        return self._end

    def data_to_send(self) -> bytes:
        """See `Upstream.data_to_send`."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def secured(self) -> None:
        """See `Upstream.secured`."""
        assert self._state is _State.HANDSHAKE, self._state
        self._in.clear()  # what came in plain text never counts as sent in TLS
        self._starttls = False
        self._offered = ()  # RFC 3207, 4.2: ask again
        self._command(f"EHLO {self._client_name}", _State.EHLO)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """See `Upstream.capabilities`."""
        return self._offered

    @property
    def trailing_data(self) -> bytes:
        """See `Upstream.trailing_data`."""
        return self._in.rest() if self._state is _State.RELAY else b""

    # --- lines ---

    def _handle(self, line: bytes) -> UpstreamEvent | None:
        self._heard += len(line) + 2
        if self._heard > MAX_HEARD:
            return self._fail(f"more than {MAX_HEARD} octets")
        if self._state is _State.AUTH and (line == b"+" or line.startswith(b"+ ")):
            return self._auth(_Reply(334, (line[2:],)))
        found = _LINE.fullmatch(line)
        if found is None:
            return self._fail(f"not SMTP: {self._words(line)}")
        self._lines.append(found[3] or b"")
        if found[2] == b"-":
            return None
        reply = _Reply(int(found[1]), tuple(self._lines))
        self._lines = []
        if reply.code == 421:  # may answer anything (RFC 5321, 3.8)
            return self._fail(self._said(reply))
        return self._HANDLERS[self._state](self, reply)

    # --- one handler per state ---

    def _greeting(self, reply: _Reply) -> UpstreamEvent | None:
        if reply.code != 220:
            return self._fail(self._said(reply))
        self._command(f"EHLO {self._client_name}", _State.EHLO)
        return None

    def _ehlo(self, reply: _Reply) -> UpstreamEvent | None:
        if reply.code != 250:
            return self._fail(self._said(reply))
        self._offered = tuple(text for line in reply.lines[1:] if (text := printable(line).strip()))
        if self._starttls:
            if not any(line.upper() == "STARTTLS" for line in self._offered):
                return self._fail("the server does not offer STARTTLS")
            self._command("STARTTLS", _State.STARTTLS)
            return None
        if self._login is None:
            self._command("QUIT", self._state)
            self._end = CapabilitiesReceived(self._offered)
            return self._end
        listed = [found[1] for line in self._offered if (found := _AUTH.fullmatch(line))]
        self._exchange = TokenExchange(
            self._login, {mechanism for text in listed for mechanism in text.upper().split()}
        )
        # In two steps always: with the token, the line would be longer than servers read (RFC 4954, section 4).
        self._command(f"AUTH {self._exchange.mechanism}", _State.AUTH)
        return None

    def _start_tls(self, reply: _Reply) -> UpstreamEvent | None:
        if reply.code != 220:
            return self._fail(self._said(reply))
        if len(self._in):
            return self._fail("data behind STARTTLS")
        self._state = _State.HANDSHAKE
        return StartTls()

    def _auth(self, reply: _Reply) -> UpstreamEvent | None:
        assert self._exchange is not None
        if reply.code == 334:
            answer = self._exchange.answer(b"".join(reply.lines).strip(b" "))
            if answer is None:
                return self._fail("the server goes on asking")
            self._out += answer.octets + b"\r\n"
            return None
        if reply.code == 235:
            self._state = _State.RELAY
            return LoggedIn(tuple(self._words(line) for line in reply.lines))
        said = self._said(reply)
        if reply.code < 400:
            return self._fail(f"not an answer to AUTH: {said}")
        temporary = reply.code < 500 or is_temporary(said)
        self._end = LoginRefused(said, self._exchange.failure_challenge, temporary)
        return self._end

    _HANDLERS: ClassVar[Mapping[_State, Callable[[UpstreamSmtp, _Reply], UpstreamEvent | None]]] = {
        _State.GREETING: _greeting,
        _State.EHLO: _ehlo,
        _State.STARTTLS: _start_tls,
        _State.AUTH: _auth,
    }

    # --- ends and answers ---

    def _said(self, reply: _Reply) -> str:
        return self._words(b" ".join([str(reply.code).encode(), *reply.lines]))

    def _fail(self, why: str) -> UpstreamEvent:
        self._in.clear()
        self._end = UpstreamFailed(printable(f"waiting for {self._state.value}: {why}"))
        return self._end

    def _command(self, command: str, state: _State) -> None:
        """Send `command` and wait for what answers it."""
        self._out += f"{command}\r\n".encode()
        self._state = state

    def _words(self, text: bytes) -> str:
        return self._exchange.words(text) if self._exchange is not None else printable(text)
