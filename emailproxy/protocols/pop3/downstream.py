"""What does a POP3 client hear until it is logged in? The AUTHORIZATION state of RFC 1939, with RFC 2595 and 5034."""

from __future__ import annotations

import enum
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Final

from emailproxy.failures import Failure, FailureKind
from emailproxy.protocols import bearer, replies
from emailproxy.protocols.capabilities import pop3_capabilities
from emailproxy.protocols.events import (
    NEED_DATA,
    Abused,
    CommandRefused,
    Confirmed,
    Credentials,
    CredentialsReceived,
    DownstreamEvent,
    LoggedIn,
    LoggedOut,
    ProofReceived,
    StartTls,
    TokenCredentials,
    TokenReceived,
)
from emailproxy.protocols.exchanges import Exchanges
from emailproxy.protocols.lines import LineTooLongError, ReceiveBuffer
from emailproxy.protocols.proofs import CramProof, ExternalProof, Proof, ScramProof
from emailproxy.protocols.sasl import (
    MAX_SASL_LINE,
    NEEDED,
    SERVER_MECHANISMS,
    Challenge,
    Refusal,
    credentials,
)
from emailproxy.protocols.strangers import LONGEST_SIGNATURE, NOT_SURE_YET, recognise
from emailproxy.protocols.wording import printable

__all__ = ["DownstreamPop3"]

MAX_LINE: Final = 8_192
"""Octets of a command: RFC 2449 (section 4) says 255, but passwords are longer than in 1998; as in IMAP."""
MAX_REFUSED: Final = 20
"""Refused commands before we hang up, as Postfix does (smtpd_hard_error_limit): only scanners need more."""

_UNKNOWN: Final = "(unknown)"
_NEED_LOGIN: Final = frozenset((b"STAT", b"LIST", b"RETR", b"DELE", b"RSET", b"TOP", b"UIDL", b"LAST", b"XTND"))


class _State(enum.Enum):
    """What is awaited."""

    FIRST_OCTETS = "the first octets"
    COMMAND = "a command"
    SASL = "a line of an AUTH exchange"
    ANSWER = "our answer to the credentials"
    ACKNOWLEDGEMENT = "that the client has seen why its token failed"
    CONFIRMATION = "that the client has seen our own proof"
    HANDSHAKE = "the TLS handshake"
    RELAY = "nothing more: logged in"


class DownstreamPop3:
    """The POP3 server that a client sees until it has logged in (`emailproxy.protocols.events.Downstream`)."""

    def __init__(
        self,
        *,
        capabilities: Sequence[str],
        starttls: bool,
        pass_tokens: bool = False,
        exchanges: Exchanges = MappingProxyType({}),
    ) -> None:
        """Greet.

        Args:
            capabilities: what the server offered last before login (`UpstreamPop3.capabilities`); empty: not known.
            starttls: whether to offer STLS until `secured` is called.
            pass_tokens: whether to offer mechanisms for a token of the client's own.
            exchanges: further mechanisms to offer.
        """
        self._passing = bearer.TOKEN_MECHANISMS if pass_tokens else ()
        self.offer(exchanges)
        self._max_line = bearer.MAX_COMMAND if pass_tokens else MAX_LINE
        self._offered = capabilities
        self._starttls = starttls
        self._in = ReceiveBuffer()
        self._out = bytearray()
        self._state = _State.FIRST_OCTETS
        self._end: DownstreamEvent | None = None
        self._greeted = False
        self._closed = False
        self._refused = 0
        self._user: bytes | None = None
        self._exchange: bearer.Exchange | None = None
        self._verdict = b""
        # No <timestamp>: it would offer APOP (RFC 1939, section 7), which no OAuth server can check.
        self._ok("emailproxy ready")

    # --- the driver's side ---

    def receive_data(self, data: bytes) -> None:
        """See `Downstream.receive_data`."""
        if self._end is None:
            self._in.feed(data)

    def next_event(self) -> DownstreamEvent:
        """See `Downstream.next_event`. The last event of a session is given again and again."""
        while self._end is None:
            try:
                event = self._HANDLERS[self._state](self)
            except LineTooLongError as error:
                event = self._abused(str(error))
            if event is NEED_DATA and self._in.ended and self._state not in (_State.ANSWER, _State.RELAY):
                self._end = LoggedOut(by_command=False)
            elif event is not None:
                return event
        return self._end

    def data_to_send(self) -> bytes:
        """See `Downstream.data_to_send`."""
        self._greeted = True
        data = bytes(self._out)
        self._out.clear()
        return data

    @property
    def buffered(self) -> int:
        """See `Downstream.buffered`."""
        return len(self._in)

    def secured(self) -> None:
        """See `Downstream.secured`."""
        assert self._state is _State.HANDSHAKE, self._state
        self._in.clear()  # what came in plain text never counts as sent in TLS
        self._starttls = False
        self._user = None  # RFC 2595, section 4: forget what the client said before
        self._state = _State.COMMAND

    def offer(self, exchanges: Exchanges) -> None:
        """See `Downstream.offer`."""
        self._exchanges = exchanges
        self._mechanisms = (*SERVER_MECHANISMS, *self._passing, *exchanges)

    def confirm(self, final: bytes) -> None:
        """See `Downstream.confirm`."""
        assert self._state is _State.ANSWER, self._state
        self._out += b"+ %b\r\n" % b64encode(final)
        self._state = _State.CONFIRMATION

    def accept(self, logged_in: LoggedIn) -> None:
        """See `Downstream.accept`."""
        assert self._state is _State.ANSWER, self._state
        self._ok(printable(" ".join(logged_in.lines)) or "Logged in")
        self._state = _State.RELAY

    def refuse(self, failure: Failure) -> None:
        """See `Downstream.refuse`."""
        assert self._state is _State.ANSWER, self._state
        verdict = replies.pop3_err(failure.kind, replies.told(failure))
        if isinstance(self._exchange, bearer.BearerExchange) and failure.kind is FailureKind.WRONG_CREDENTIALS:
            self._out += b"+ %b\r\n" % self._exchange.error.text
            self._verdict = verdict
            self._state = _State.ACKNOWLEDGEMENT
        else:
            self._out += verdict
            self._state = _State.COMMAND
        self._exchange = None

    def abort(self, failure: Failure) -> None:
        """See `Downstream.abort`."""
        if self._closed:
            return
        self._closed = True
        if not self._greeted:
            self._out.clear()  # -ERR is a greeting too
        self._out += replies.pop3_err(failure.kind, replies.told(failure))
        self._in.clear()
        self._end = self._end or LoggedOut(by_command=False)

    @property
    def trailing_data(self) -> bytes:
        """See `Downstream.trailing_data`."""
        return self._in.rest() if self._state is _State.RELAY else b""

    # --- one handler per state ---

    def _await_first_octets(self) -> DownstreamEvent | None:
        if not len(self._in):
            return NEED_DATA
        meaning = recognise(self._in.peek(LONGEST_SIGNATURE))
        if meaning == NOT_SURE_YET:
            return NEED_DATA
        if meaning is not None:
            return self._abused(meaning)
        self._state = _State.COMMAND
        return None

    def _await_command(self) -> DownstreamEvent | None:
        line = self._in.line(self._max_line)
        if line is None:
            return NEED_DATA
        word, _, argument = line.partition(b" ")
        verb = word.upper()
        handler = self._COMMANDS.get(verb)
        if handler is not None:
            return handler(self, argument)
        if verb in _NEED_LOGIN:
            return self._err(verb.decode(), "Log in first")
        return self._err(_UNKNOWN, "Unknown command")

    def _await_sasl(self) -> DownstreamEvent | None:
        line = self._in.line(MAX_SASL_LINE)
        if line is None:
            return NEED_DATA
        assert self._exchange is not None
        return self._continue(self._exchange.respond(line), "AUTH")

    def _await_acknowledgement(self) -> DownstreamEvent | None:
        if self._in.line(MAX_SASL_LINE) is None:  # RFC 7628, 3.2.3: %x01, or an empty line; it changes nothing
            return NEED_DATA
        self._out += self._verdict
        self._state = _State.COMMAND
        return None

    def _await_confirmation(self) -> DownstreamEvent | None:
        line = self._in.line(MAX_SASL_LINE)
        if line is None:
            return NEED_DATA
        if line == b"*":
            return self._continue(Refusal.CANCELLED, "AUTH")
        self._state = _State.ANSWER
        return Confirmed()

    def _await_answer(self) -> DownstreamEvent | None:
        return NEED_DATA

    def _await_handshake(self) -> DownstreamEvent | None:
        return self._abused("data behind STLS") if len(self._in) else NEED_DATA

    _HANDLERS: ClassVar[Mapping[_State, Callable[[DownstreamPop3], DownstreamEvent | None]]] = {
        _State.FIRST_OCTETS: _await_first_octets,
        _State.COMMAND: _await_command,
        _State.SASL: _await_sasl,
        _State.ACKNOWLEDGEMENT: _await_acknowledgement,
        _State.CONFIRMATION: _await_confirmation,
        _State.ANSWER: _await_answer,
        _State.HANDSHAKE: _await_handshake,
        _State.RELAY: _await_answer,
    }

    # --- commands ---

    def _capa(self, argument: bytes) -> DownstreamEvent | None:
        if argument.strip(b" "):
            return self._err("CAPA", "CAPA takes no argument")
        self._list(
            "Capability list follows",
            pop3_capabilities(self._offered, starttls=self._starttls, mechanisms=self._mechanisms),
        )
        return None

    def _noop(self, argument: bytes) -> DownstreamEvent | None:
        if argument.strip(b" "):
            return self._err("NOOP", "NOOP takes no argument")
        self._ok("Nothing done")  # RFC 1939 has it after login only; watchdogs send it before
        return None

    def _quit(self, argument: bytes) -> DownstreamEvent | None:
        if argument.strip(b" "):
            return self._err("QUIT", "QUIT takes no argument")
        self._ok("Goodbye")
        self._closed = True
        self._end = LoggedOut(by_command=True)
        return None

    def _stls(self, argument: bytes) -> DownstreamEvent | None:
        if argument.strip(b" "):
            return self._err("STLS", "STLS takes no argument")
        if not self._starttls:
            return self._err("STLS", "STLS is not offered")
        if len(self._in):
            return self._abused("data behind STLS")
        self._ok("Begin TLS negotiation now")
        self._state = _State.HANDSHAKE
        return StartTls()

    def _user_name(self, argument: bytes) -> DownstreamEvent | None:
        if not argument:
            return self._no_credentials("USER")
        self._user = argument
        self._ok("Send PASS")  # the same for every name
        return None

    def _password(self, argument: bytes) -> DownstreamEvent | None:
        # Everything behind the first space is the password: it may hold spaces (RFC 1939, section 7).
        user, self._user = self._user, None
        if user is None:
            return self._err("PASS", "Send USER first")
        return self._continue(credentials(user, argument, "USER/PASS"), "PASS")

    def _auth(self, argument: bytes) -> DownstreamEvent | None:
        match argument.strip(b" ").split(b" "):
            case [b""]:
                self._list("Mechanisms follow", self._mechanisms)
                return None
            case [mechanism]:
                initial = None
            case [mechanism, initial]:
                pass
            case _:
                return self._err("AUTH", "AUTH takes a mechanism and an initial response")
        name = mechanism.upper().decode("ascii", "replace")
        if name not in self._mechanisms:
            return self._err(
                "AUTH", f"Unsupported mechanism; use one of {', '.join(self._mechanisms)}, or the command USER"
            )
        self._exchange = bearer.exchange(name, self._exchanges)
        return self._continue(self._exchange.begin(initial), "AUTH")

    _COMMANDS: ClassVar[Mapping[bytes, Callable[[DownstreamPop3, bytes], DownstreamEvent | None]]] = {
        b"CAPA": _capa,
        b"NOOP": _noop,
        b"QUIT": _quit,
        b"STLS": _stls,
        b"USER": _user_name,
        b"PASS": _password,
        b"AUTH": _auth,
    }

    # --- answers ---

    def _continue(
        self, outcome: Challenge | Credentials | TokenCredentials | Proof | Refusal, verb: str
    ) -> DownstreamEvent | None:
        """Go on after a step of a login."""
        match outcome:
            case Challenge(text):
                self._out += b"+ %b\r\n" % text
                self._state = _State.SASL
                return None
            case Credentials():
                self._exchange = None
                self._state = _State.ANSWER
                return CredentialsReceived(outcome)
            case TokenCredentials():
                self._state = _State.ANSWER
                return TokenReceived(outcome)
            case ScramProof() | CramProof() | ExternalProof():
                self._exchange = None
                self._state = _State.ANSWER
                return ProofReceived(outcome)
        self._exchange = None
        self._state = _State.COMMAND
        match outcome:
            case Refusal.CANCELLED:
                return self._err(verb, "Authentication cancelled")
            case Refusal.MALFORMED:
                return self._err(verb, "Malformed credentials")
            case Refusal.UNUSABLE | Refusal.NO_TOKEN:
                return self._no_credentials(verb, outcome)

    def _no_credentials(self, verb: str, why: Refusal = Refusal.UNUSABLE) -> DownstreamEvent:
        self._out += replies.pop3_err(FailureKind.WRONG_CREDENTIALS, NEEDED[why])
        return self._count(verb, NEEDED[why])

    def _err(self, verb: str, text: str) -> DownstreamEvent:
        self._out += f"-ERR {text}\r\n".encode()
        return self._count(verb, text)

    def _count(self, verb: str, reason: str) -> DownstreamEvent:
        self._refused += 1
        if self._refused > MAX_REFUSED:
            return self._abused(f"{MAX_REFUSED} refused commands")
        return CommandRefused(verb, reason)

    def _abused(self, detail: str) -> DownstreamEvent:
        self._in.clear()
        self._end = Abused(detail)
        return self._end

    def _ok(self, text: str) -> None:
        self._out += f"+OK {text}\r\n".encode()

    def _list(self, text: str, lines: Sequence[str]) -> None:
        self._ok(text)
        self._out += "".join(f"{line}\r\n" for line in (*lines, ".")).encode()
