"""How does one log in to an IMAP server with a token? The client's side of RFC 9051, sections 6.1 and 6.2."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
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
from emailproxy.protocols.imap.grammar import (
    Continuation,
    Response,
    Tagged,
    Untagged,
    announced_literal,
    parse_response,
    response_code,
)
from emailproxy.protocols.lines import ReceiveBuffer, TooLongError
from emailproxy.protocols.refusals import is_temporary
from emailproxy.protocols.sasl import TokenExchange, UpstreamLogin
from emailproxy.protocols.wording import printable

__all__ = ["UpstreamImap"]

MAX_LINE: Final = 65_536
"""Octets of a server's line: 100 times the longest capability list seen, and one TCP window."""
MAX_HEARD: Final = 262_144
"""Octets that a server may say until login is over. Bounds everything that is kept, the untagged lines above all."""

_STATUSES: Final = (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH")
"""Untagged responses that are free text: a ``{5}`` at their end is no literal."""
_CAPABILITY: Final = re.compile(rb"[\x21-\x5c\x5e-\x7e]+")
LISTS: Final = 64
"""Capability lists whose parts are remembered: every login to a server meets the same two. 4 MiB at the very most."""


@lru_cache(maxsize=LISTS)
def _listed(capabilities: bytes) -> tuple[str, ...]:
    return tuple(token.decode() for token in capabilities.split() if _CAPABILITY.fullmatch(token))


@lru_cache(maxsize=LISTS)
def _mechanisms(offered: tuple[str, ...]) -> frozenset[str]:
    return frozenset(token[5:].upper() for token in offered if token.upper().startswith("AUTH="))


class _State(enum.Enum):
    """What is awaited."""

    GREETING = "the greeting"
    CAPABILITY = "the answer to CAPABILITY"
    STARTTLS = "the answer to STARTTLS"
    HANDSHAKE = "the TLS handshake"
    ID = "the answer to ID"
    AUTHENTICATE = "the answer to AUTHENTICATE"
    CAPABILITY_AFTER_LOGIN = "the answer to CAPABILITY after login"
    RELAY = "nothing more: logged in"


class UpstreamImap:
    """The IMAP client that a server sees until it is logged in (`emailproxy.protocols.events.Upstream`)."""

    def __init__(
        self,
        *,
        login: UpstreamLogin | None,
        starttls: bool,
        client_id: bytes | None = None,
        sasl_ir: bool = True,
        known: tuple[str, ...] = (),
    ) -> None:
        """Wait for the greeting.

        Args:
            login: with what to log in; None asks for the capabilities and says goodbye.
            starttls: whether to insist on STARTTLS before anything else.
            client_id: the argument of the client's ID command (`DownstreamImap.client_id`), to be passed on.
            sasl_ir: whether to believe a server that offers SASL-IR (RFC 4959).
            known: what this server offered before login a moment ago, in TLS. Where its greeting says nothing of them
                that spares a question, and so a round trip; not with STARTTLS, nor without a login.
        """
        self._login = login
        self._starttls = starttls
        self._sasl_ir = sasl_ir
        self._known = known if login is not None and not starttls else ()
        self._client_id = client_id if client_id is not None and not re.search(rb"[\x00\r\n]", client_id) else None
        self._in = ReceiveBuffer()
        self._out = bytearray()
        self._state = _State.GREETING
        self._end: UpstreamEvent | None = None
        self._heard = 0
        self._commands = 0
        self._tag = b""
        self._parts: list[bytes] = []
        self._literal_size: int | None = None
        self._exchange: TokenExchange | None = None
        self._offered: tuple[str, ...] = ()
        self._offered_after: tuple[str, ...] = ()
        self._untagged: list[bytes] = []
        self._lines: tuple[str, ...] = ()

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
                line = self._response_line()
            except TooLongError as error:
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
        self._offered = ()  # RFC 9051, 6.2.1: ask again
        self._command(b"CAPABILITY", _State.CAPABILITY)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """See `Upstream.capabilities`."""
        return self._offered

    @property
    def trailing_data(self) -> bytes:
        """See `Upstream.trailing_data`."""
        return self._in.rest() if self._state is _State.RELAY else b""

    # --- lines ---

    def _response_line(self) -> bytes | None:
        """The next response, whole: with its literals, as it came, without the last CRLF."""
        while True:
            if self._literal_size is not None:
                octets = self._in.exactly(self._literal_size)
                if octets is None:
                    return None
                self._parts.append(octets)
                self._literal_size = None
            line = self._in.line(MAX_LINE)
            if line is None:
                return None
            self._parts.append(line)
            self._hear(len(line) + 2)
            announced = announced_literal(line)
            if announced is None or not self._takes_literals():
                response = b"".join(self._parts)
                self._parts = []
                return response
            self._hear(announced.size)
            self._parts.append(b"\r\n")
            self._literal_size = announced.size

    def _takes_literals(self) -> bool:
        head = self._parts[0].split(b" ", 2)
        return len(head) == 3 and head[0] == b"*" and head[1].upper() not in _STATUSES

    def _hear(self, octets: int) -> None:
        self._heard += octets
        if self._heard > MAX_HEARD:
            raise TooLongError(f"more than {MAX_HEARD} octets")

    def _handle(self, line: bytes) -> UpstreamEvent | None:
        response = parse_response(line)
        match response:
            case None:
                return self._fail(f"not IMAP: {self._words(line)}")
            case Untagged(keyword=b"BYE"):
                return self._fail(self._words(line))
            case Continuation() if self._state is not _State.AUTHENTICATE:
                return self._fail("an unexpected continuation")
            case Untagged() if self._state is not _State.GREETING:
                return self._note(response)
            case Tagged(tag=tag, status=status) if tag != self._tag and (tag is not None or status == b"OK"):
                # A NO or BAD without a tag is what Exchange says when it throttles.
                return self._fail(f"an answer to a command that was not sent: {self._words(line)}")
        return self._HANDLERS[self._state](self, response)

    def _note(self, response: Untagged) -> UpstreamEvent | None:
        """Keep what an untagged response tells."""
        code, arguments, _ = response_code(response.rest)
        if response.keyword == b"CAPABILITY":
            self._learn(response.rest)
        elif response.keyword == b"OK" and code == b"CAPABILITY":
            self._learn(arguments)
        elif self._state in (_State.AUTHENTICATE, _State.CAPABILITY_AFTER_LOGIN):
            self._untagged.append(response.line)
        return None

    def _learn(self, listed: bytes) -> None:
        capabilities = _listed(listed)
        if self._state in (_State.AUTHENTICATE, _State.CAPABILITY_AFTER_LOGIN):
            self._offered_after = capabilities
        else:
            self._offered = capabilities

    # --- one handler per state ---

    def _greeting(self, response: Response) -> UpstreamEvent | None:
        assert not isinstance(response, Continuation)
        if isinstance(response, Tagged) or response.keyword not in (b"OK", b"PREAUTH"):
            return self._fail(f"not an IMAP greeting: {self._words(response.line)}")
        if response.keyword == b"PREAUTH" and (self._login is not None or self._starttls):
            # Nobody we know: and before STARTTLS it is how an attacker keeps a client in plain text (RFC 9051, 11.3).
            return self._fail("the server says that we are logged in already (PREAUTH)")
        code, arguments, _ = response_code(response.rest)
        if code == b"CAPABILITY":
            self._learn(arguments)
        self._offered = self._offered or self._known
        if self._offered:
            return self._after_capability()
        self._command(b"CAPABILITY", _State.CAPABILITY)
        return None

    def _capability(self, response: Response) -> UpstreamEvent | None:
        assert isinstance(response, Tagged)
        code, arguments, _ = response_code(response.text)
        if response.status != b"OK":
            return self._fail(self._words(response.line))
        if code == b"CAPABILITY":
            self._learn(arguments)
        return self._after_capability()

    def _after_capability(self) -> UpstreamEvent | None:
        if self._starttls:
            if not self._offers("STARTTLS"):
                return self._fail("the server does not offer STARTTLS")
            self._command(b"STARTTLS", _State.STARTTLS)
            return None
        if self._login is None:
            self._command(b"LOGOUT", self._state)
            self._end = CapabilitiesReceived(self._offered)
            return self._end
        if self._client_id is not None and self._offers("ID"):
            self._command(b"ID " + self._client_id, _State.ID)
            return None
        return self._authenticate(self._login)

    def _start_tls(self, response: Response) -> UpstreamEvent | None:
        assert isinstance(response, Tagged)
        if response.status != b"OK":
            return self._fail(self._words(response.line))
        if len(self._in):
            return self._fail("data behind STARTTLS")
        self._state = _State.HANDSHAKE
        return StartTls()

    def _id(self, response: Response) -> UpstreamEvent | None:
        assert isinstance(response, Tagged)
        assert self._login is not None
        return self._authenticate(self._login)  # whatever it said: ID is a courtesy (RFC 2971, section 1)

    def _authenticate(self, login: UpstreamLogin) -> UpstreamEvent | None:
        mechanisms = _mechanisms(self._offered)
        self._exchange = TokenExchange(login, mechanisms)
        command = f"AUTHENTICATE {self._exchange.mechanism}"
        # Never inline where the mechanism is not listed: such a server must ask first, or it does not see the token.
        if self._sasl_ir and self._offers("SASL-IR") and self._exchange.mechanism in mechanisms:
            command += f" {self._exchange.inline().reveal()}"
        self._command(command.encode(), _State.AUTHENTICATE)
        return None

    def _authenticated(self, response: Response) -> UpstreamEvent | None:
        assert self._exchange is not None
        if isinstance(response, Continuation):
            answer = self._exchange.answer(response.text)
            if answer is None:
                return self._fail("the server goes on asking")
            self._out += answer.octets + b"\r\n"
            return None
        assert isinstance(response, Tagged)
        if response.status != b"OK":
            return self._refused(response)
        code, arguments, words = response_code(response.text)
        self._lines = (self._words(words),)
        if code == b"CAPABILITY":
            self._learn(arguments)
        if self._offered_after:
            return self._logged_in()
        self._command(b"CAPABILITY", _State.CAPABILITY_AFTER_LOGIN)
        return None

    def _capability_after_login(self, response: Response) -> UpstreamEvent | None:
        assert isinstance(response, Tagged)
        if response.status != b"OK":
            # Exchange lets a token in and then says "User is authenticated but not connected": no login at all.
            return self._refused(response)
        code, arguments, _ = response_code(response.text)
        if code == b"CAPABILITY":
            self._learn(arguments)
        return self._logged_in()

    _HANDLERS: ClassVar[Mapping[_State, Callable[[UpstreamImap, Response], UpstreamEvent | None]]] = {
        _State.GREETING: _greeting,
        _State.CAPABILITY: _capability,
        _State.STARTTLS: _start_tls,
        _State.ID: _id,
        _State.AUTHENTICATE: _authenticated,
        _State.CAPABILITY_AFTER_LOGIN: _capability_after_login,
    }

    # --- ends and answers ---

    def _logged_in(self) -> UpstreamEvent:
        self._state = _State.RELAY
        return LoggedIn(self._lines, self._offered_after, tuple(self._untagged))

    def _refused(self, response: Tagged) -> UpstreamEvent:
        assert self._exchange is not None
        code, _, _ = response_code(response.text)
        words = self._words(response.line)
        self._end = LoginRefused(words, self._exchange.failure_challenge, is_temporary(words, code.decode("latin-1")))
        return self._end

    def _fail(self, why: str) -> UpstreamEvent:
        self._in.clear()
        self._end = UpstreamFailed(printable(f"waiting for {self._state.value}: {why}"))
        return self._end

    def _command(self, command: bytes, state: _State) -> None:
        """Send `command` and wait for what answers it."""
        self._commands += 1
        self._tag = b"A%d" % self._commands
        self._out += b"%b %b\r\n" % (self._tag, command)
        self._state = state

    def _offers(self, capability: str) -> bool:
        return any(token.upper() == capability for token in self._offered)

    def _words(self, text: bytes) -> str:
        return self._exchange.words(text) if self._exchange is not None else printable(text)
