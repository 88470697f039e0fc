"""How does one log in to a POP3 server with a token? The client's side of RFC 1939, 2449, 2595 and 5034."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
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

__all__ = ["UpstreamPop3"]

MAX_LINE: Final = 65_536
"""Octets of a server's line: 100 times what RFC 2449 (section 4) allows, and one TCP window."""
MAX_HEARD: Final = 262_144
"""Octets that a server may say until login is over. Bounds everything that is kept."""

_STATUS: Final = re.compile(rb"(\+OK|-ERR)(?: (.*))?", re.DOTALL | re.IGNORECASE)
_CODE: Final = re.compile(r"\[([^\] ]+)[^\]]*\] ?")


class _State(enum.Enum):
    """What is awaited."""

    GREETING = "the greeting"
    CAPA = "the answer to CAPA"
    CAPA_LIST = "a line of the capability list"
    STLS = "the answer to STLS"
    HANDSHAKE = "the TLS handshake"
    AUTH = "the answer to AUTH"
    RELAY = "nothing more: logged in"


class UpstreamPop3:
    """The POP3 client that a server sees until it is logged in (`emailproxy.protocols.events.Upstream`)."""

    def __init__(self, *, login: UpstreamLogin | None, starttls: bool, known: tuple[str, ...] = ()) -> None:
        """Wait for the greeting.

        Args:
            login: with what to log in; None asks for the capabilities and says goodbye.
            starttls: whether to insist on STLS before anything else.
            known: what this server offered before login a moment ago, in TLS: spares a question, and so a round trip.
                Not with STLS, nor without a login.
        """
        self._login = login
        self._starttls = starttls
        self._known = known if login is not None and not starttls else ()
        self._in = ReceiveBuffer()
        self._out = bytearray()
        self._state = _State.GREETING
        self._end: UpstreamEvent | None = None
        self._heard = 0
        self._exchange: TokenExchange | None = None
        self._offered: list[str] = []

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
                return self._fail("data behind STLS")
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
        self._command("CAPA", _State.CAPA)  # RFC 2595, section 4: ask again

    @property
    def capabilities(self) -> tuple[str, ...]:
        """See `Upstream.capabilities`."""
        return tuple(self._offered)

    @property
    def trailing_data(self) -> bytes:
        """See `Upstream.trailing_data`."""
        return self._in.rest() if self._state is _State.RELAY else b""

    # --- one handler per state ---

    def _handle(self, line: bytes) -> UpstreamEvent | None:
        self._heard += len(line) + 2
        if self._heard > MAX_HEARD:
            return self._fail(f"more than {MAX_HEARD} octets")
        return self._HANDLERS[self._state](self, line)

    def _greeting(self, line: bytes) -> UpstreamEvent | None:
        ok, text = _status(line)
        if ok is None:
            return self._fail(f"not a POP3 greeting: {self._words(line)}")
        if not ok:
            return self._fail(self._words(text))
        if self._known:
            self._offered = [*self._known]
            return self._after_capa()
        self._command("CAPA", _State.CAPA)
        return None

    def _capa(self, line: bytes) -> UpstreamEvent | None:
        self._offered = []
        ok, _ = _status(line)
        if ok is None:
            return self._fail(f"not POP3: {self._words(line)}")
        if not ok:
            return self._after_capa()  # older than RFC 2449: nothing is known, everything may be tried
        self._state = _State.CAPA_LIST
        return None

    def _capa_list(self, line: bytes) -> UpstreamEvent | None:
        if line == b".":
            return self._after_capa()
        capability = printable(line[1:] if line.startswith(b".") else line).strip()
        if capability:
            self._offered.append(capability)
        return None

    def _after_capa(self) -> UpstreamEvent | None:
        if self._starttls:
            if self._offered and not any(line.upper() == "STLS" for line in self._offered):
                return self._fail("the server does not offer STLS")
            self._command("STLS", _State.STLS)
            return None
        if self._login is None:
            self._command("QUIT", self._state)
            self._end = CapabilitiesReceived(self.capabilities)
            return self._end
        keywords = [line.upper().split() for line in self._offered]
        mechanisms = {mechanism for first, *rest in keywords if first == "SASL" for mechanism in rest}
        self._exchange = TokenExchange(self._login, mechanisms)
        # In two lines always: a command has 255 octets at most (RFC 2449, section 4), and Exchange knows no other way.
        self._command(f"AUTH {self._exchange.mechanism}", _State.AUTH)
        return None

    def _stls(self, line: bytes) -> UpstreamEvent | None:
        ok, text = _status(line)
        if not ok:
            return self._fail(self._words(line if ok is None else text))
        if len(self._in):
            return self._fail("data behind STLS")
        self._state = _State.HANDSHAKE
        return StartTls()

    def _auth(self, line: bytes) -> UpstreamEvent | None:
        assert self._exchange is not None
        if line == b"+" or line.startswith(b"+ "):
            answer = self._exchange.answer(line[2:].strip(b" "))
            if answer is None:
                return self._fail("the server goes on asking")
            self._out += answer.octets + b"\r\n"
            return None
        ok, text = _status(line)
        if ok is None:
            return self._fail(f"not POP3: {self._words(line)}")
        code = _CODE.match(self._words(text))
        if not ok:
            temporary = is_temporary(self._words(text), code[1] if code else "")
            self._end = LoginRefused(self._words(line), self._exchange.failure_challenge, temporary)
            return self._end
        self._state = _State.RELAY
        return LoggedIn((self._words(text),))

    _HANDLERS: ClassVar[Mapping[_State, Callable[[UpstreamPop3, bytes], UpstreamEvent | None]]] = {
        _State.GREETING: _greeting,
        _State.CAPA: _capa,
        _State.CAPA_LIST: _capa_list,
        _State.STLS: _stls,
        _State.AUTH: _auth,
    }

    # --- ends and answers ---

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


def _status(line: bytes) -> tuple[bool | None, bytes]:
    """Whether `line` says +OK (None: neither that nor -ERR), and its text."""
    found = _STATUS.fullmatch(line)
    return (found[1].upper() == b"+OK", found[2] or b"") if found else (None, b"")
