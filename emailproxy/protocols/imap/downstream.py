"""What does an IMAP client hear until it is logged in? The server's side of RFC 9051, sections 6.1 and 6.2."""

from __future__ import annotations

import enum
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Final

from emailproxy.failures import Failure, FailureKind
from emailproxy.protocols import bearer, replies
from emailproxy.protocols.capabilities import imap_capabilities
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
from emailproxy.protocols.imap.grammar import Arguments, Command, announced_literal, parse_command, quoted
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

__all__ = ["DownstreamImap"]

MAX_LINE: Final = 8_192
"""Octets of a line before login: what RFC 7162 (section 4) makes servers accept; a login needs some hundred."""
MAX_LITERAL: Final = 8_192
"""Octets of a literal before login: a password as long as a line may be."""
MAX_LITERALS: Final = 60
"""Literals in one command: an ID has at most 30 fields and 30 values (RFC 2971, section 3.3), a LOGIN two."""
MAX_COMMAND: Final = 32_768
"""Octets of one command with its literals: a LOGIN with the longest user name and password fits, and an ID."""
MAX_CLIENT_ID: Final = 4_096
"""Octets of an ID list that is passed on; real ones have up to 300."""
MAX_REFUSED: Final = 20
"""Refused commands before we hang up, as Postfix does (smtpd_hard_error_limit): only scanners need more."""

_UNKNOWN: Final = "(unknown)"
_NEED_LOGIN: Final = frozenset(
    b"APPEND CHECK CLOSE COMPRESS COPY CREATE DELETE ENABLE EXAMINE EXPUNGE FETCH GETQUOTA GETQUOTAROOT IDLE LIST "
    b"LSUB MOVE NAMESPACE NOTIFY RENAME SEARCH SELECT SORT STATUS STORE SUBSCRIBE THREAD UID UNSELECT UNSUBSCRIBE "
    b"XLIST".split()
)


class _State(enum.Enum):
    """What is awaited."""

    FIRST_OCTETS = "the first octets"
    LINE = "a command, or its next line"
    LITERAL = "a literal"
    SASL = "a line of an AUTHENTICATE exchange"
    ANSWER = "our answer to the credentials"
    ACKNOWLEDGEMENT = "that the client has seen why its token failed"
    CONFIRMATION = "that the client has seen our own proof"
    HANDSHAKE = "the TLS handshake"
    RELAY = "nothing more: logged in"


class DownstreamImap:
    """The IMAP server that a client sees until it has logged in (`emailproxy.protocols.events.Downstream`)."""

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
            capabilities: what the server offered last before login (`UpstreamImap.capabilities`); empty: not known.
            starttls: whether to offer STARTTLS until `secured` is called.
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
        self._tag = b""
        self._fragments: list[bytes] = []
        self._literal_size = 0
        self._exchange: bearer.Exchange | None = None
        self._verdict = b""
        self._client_id: bytes | None = None
        self._send(b"* OK [CAPABILITY %b] emailproxy ready" % self._capabilities())

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

    @property
    def client_id(self) -> bytes | None:
        """The argument of the client's last ID command, a parenthesised list on one line; None if there was none."""
        return self._client_id

    def secured(self) -> None:
        """See `Downstream.secured`."""
        assert self._state is _State.HANDSHAKE, self._state
        self._in.clear()  # what came in plain text never counts as sent in TLS
        self._starttls = False
        self._client_id = None  # RFC 9051, 6.2.1: forget what the client said before
        self._state = _State.LINE

    def offer(self, exchanges: Exchanges) -> None:
        """See `Downstream.offer`."""
        self._exchanges = exchanges
        self._mechanisms = (*SERVER_MECHANISMS, *self._passing, *exchanges)

    def confirm(self, final: bytes) -> None:
        """See `Downstream.confirm`."""
        assert self._state is _State.ANSWER, self._state
        self._send(b"+ " + b64encode(final))
        self._state = _State.CONFIRMATION

    def accept(self, logged_in: LoggedIn) -> None:
        """See `Downstream.accept`."""
        assert self._state is _State.ANSWER, self._state
        for line in logged_in.untagged:
            self._send(line)
        words = printable(" ".join(logged_in.lines)).encode() or b"Logged in"
        code = b"[CAPABILITY %b] " % " ".join(logged_in.capabilities).encode() if logged_in.capabilities else b""
        self._send(b"%b OK %b%b" % (self._tag, code, words))
        self._state = _State.RELAY

    def refuse(self, failure: Failure) -> None:
        """See `Downstream.refuse`."""
        assert self._state is _State.ANSWER, self._state
        verdict = replies.imap_no(self._tag, failure.kind, replies.told(failure))
        if isinstance(self._exchange, bearer.BearerExchange) and failure.kind is FailureKind.WRONG_CREDENTIALS:
            self._send(b"+ " + self._exchange.error.text)
            self._verdict = verdict
            self._state = _State.ACKNOWLEDGEMENT
        else:
            self._out += verdict
            self._state = _State.LINE
        self._exchange = None

    def abort(self, failure: Failure) -> None:
        """See `Downstream.abort`."""
        if self._closed:
            return
        self._closed = True
        if not self._greeted:
            self._out.clear()  # a BYE is a greeting too (RFC 9051, 7.1.5)
        if self._state is _State.ANSWER:
            self._out += replies.imap_no(self._tag, failure.kind, replies.told(failure))
        elif self._state is _State.ACKNOWLEDGEMENT:
            self._out += self._verdict
        self._out += replies.imap_bye(failure.kind, replies.told(failure))
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
        self._state = _State.LINE
        return None

    def _await_line(self) -> DownstreamEvent | None:
        line = self._in.line(self._max_line)
        if line is None:
            return NEED_DATA
        self._fragments.append(line)
        announced = announced_literal(line)
        if announced is None:
            fragments, self._fragments = self._fragments, []
            return self._dispatch(fragments)
        if announced.synchronising and (refused := self._refuse_literal()):
            self._fragments = []
            return refused
        if announced.size > MAX_LITERAL:
            return self._abused(f"a literal of more than {MAX_LITERAL} octets")
        if len(self._fragments) > 2 * MAX_LITERALS or sum(map(len, self._fragments)) + announced.size > MAX_COMMAND:
            return self._abused(f"a command of more than {MAX_COMMAND} octets or {MAX_LITERALS} literals")
        if announced.synchronising:
            self._send(b"+ Ready for literal data")
        self._literal_size = announced.size
        self._state = _State.LITERAL
        return None

    def _await_literal(self) -> DownstreamEvent | None:
        octets = self._in.exactly(self._literal_size)
        if octets is None:
            return NEED_DATA
        self._fragments.append(octets)
        self._state = _State.LINE
        return None

    def _await_sasl(self) -> DownstreamEvent | None:
        line = self._in.line(MAX_SASL_LINE)
        if line is None:
            return NEED_DATA
        assert self._exchange is not None
        return self._continue(self._exchange.respond(line), "AUTHENTICATE")

    def _await_acknowledgement(self) -> DownstreamEvent | None:
        if self._in.line(MAX_SASL_LINE) is None:  # RFC 7628, 3.2.3: %x01, or an empty line; it changes nothing
            return NEED_DATA
        self._out += self._verdict
        self._state = _State.LINE
        return None

    def _await_confirmation(self) -> DownstreamEvent | None:
        line = self._in.line(MAX_SASL_LINE)
        if line is None:
            return NEED_DATA
        if line == b"*":
            return self._continue(Refusal.CANCELLED, "AUTHENTICATE")
        self._state = _State.ANSWER
        return Confirmed()

    def _await_answer(self) -> DownstreamEvent | None:
        return NEED_DATA

    def _await_handshake(self) -> DownstreamEvent | None:
        return self._abused("data behind STARTTLS") if len(self._in) else NEED_DATA

    _HANDLERS: ClassVar[Mapping[_State, Callable[[DownstreamImap], DownstreamEvent | None]]] = {
        _State.FIRST_OCTETS: _await_first_octets,
        _State.LINE: _await_line,
        _State.LITERAL: _await_literal,
        _State.SASL: _await_sasl,
        _State.ACKNOWLEDGEMENT: _await_acknowledgement,
        _State.CONFIRMATION: _await_confirmation,
        _State.ANSWER: _await_answer,
        _State.HANDSHAKE: _await_handshake,
        _State.RELAY: _await_answer,
    }

    # --- commands ---

    def _dispatch(self, fragments: list[bytes]) -> DownstreamEvent | None:
        command = parse_command(fragments)
        if command is None:
            return self._bad(b"*", _UNKNOWN, b"A command is a tag, a space and a name")
        handler = self._COMMANDS.get(command.verb)
        if handler is None:
            return self._too_early(command)
        self._tag = command.tag
        return handler(self, command)

    def _capability(self, command: Command) -> DownstreamEvent | None:
        if not command.is_bare:
            return self._bad_arguments(command)
        self._send(b"* CAPABILITY %b" % self._capabilities())
        self._ok(b"CAPABILITY completed")
        return None

    def _noop(self, command: Command) -> DownstreamEvent | None:
        if not command.is_bare:
            return self._bad_arguments(command)
        self._ok(b"NOOP completed")
        return None

    def _logout(self, command: Command) -> DownstreamEvent | None:
        if not command.is_bare:
            return self._bad_arguments(command)
        self._send(b"* BYE Logging out")
        self._ok(b"LOGOUT completed")
        self._closed = True
        self._end = LoggedOut(by_command=True)
        return None

    def _id(self, command: Command) -> DownstreamEvent | None:
        fields = _id_fields(Arguments(command.fragments))
        if fields is None:
            return self._bad_arguments(command)
        listed = b"(%b)" % b" ".join(fields)
        self._client_id = listed if fields and len(listed) <= MAX_CLIENT_ID else None
        self._send(b'* ID ("name" "emailproxy")')
        self._ok(b"ID completed")
        return None

    def _start_tls(self, command: Command) -> DownstreamEvent | None:
        if not command.is_bare:
            return self._bad_arguments(command)
        if not self._starttls:
            return self._bad(command.tag, "STARTTLS", b"STARTTLS is not offered")
        if len(self._in):
            return self._abused("data behind STARTTLS")
        self._ok(b"Begin TLS negotiation now")
        self._state = _State.HANDSHAKE
        return StartTls()

    def _login(self, command: Command) -> DownstreamEvent | None:
        arguments = Arguments(command.fragments)
        user = arguments.astring() if arguments.take(b" ") else None
        password = arguments.astring() if arguments.take(b" ") else None
        if user is None or password is None or not arguments.at_end:
            return self._bad_arguments(command)
        return self._continue(credentials(user, password, "LOGIN"), "LOGIN")

    def _authenticate(self, command: Command) -> DownstreamEvent | None:
        match command.fragments[0].strip(b" ").split(b" "):
            case [mechanism]:
                initial = None
            case [mechanism, initial]:
                pass
            case _:
                return self._bad_arguments(command)
        name = mechanism.upper().decode("ascii", "replace")
        if not name:
            return self._bad_arguments(command)
        if name not in self._mechanisms:
            offered = ", ".join(self._mechanisms)
            text = f"Unsupported mechanism; use one of {offered}, or the command LOGIN"
            self._send(b"%b NO %b" % (command.tag, text.encode()))
            return self._count("AUTHENTICATE", text)
        self._exchange = bearer.exchange(name, self._exchanges)
        return self._continue(self._exchange.begin(initial), "AUTHENTICATE")

    _COMMANDS: ClassVar[Mapping[bytes, Callable[[DownstreamImap, Command], DownstreamEvent | None]]] = {
        b"CAPABILITY": _capability,
        b"NOOP": _noop,
        b"LOGOUT": _logout,
        b"ID": _id,
        b"STARTTLS": _start_tls,
        b"LOGIN": _login,
        b"AUTHENTICATE": _authenticate,
    }

    # --- answers ---

    def _continue(
        self, outcome: Challenge | Credentials | TokenCredentials | Proof | Refusal, verb: str
    ) -> DownstreamEvent | None:
        """Go on after a step of a login."""
        match outcome:
            case Challenge(text):
                self._send(b"+ " + text)
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
        self._state = _State.LINE
        match outcome:
            case Refusal.CANCELLED:
                return self._bad(self._tag, verb, b"Authentication cancelled")
            case Refusal.MALFORMED:
                return self._bad(self._tag, verb, b"Malformed credentials")
            case Refusal.UNUSABLE | Refusal.NO_TOKEN:
                sentence = NEEDED[outcome]
                self._out += replies.imap_no(self._tag, FailureKind.WRONG_CREDENTIALS, sentence)
                return self._count(verb, sentence)

    def _refuse_literal(self) -> DownstreamEvent | None:
        """Refuse the command whose line just came, if its literal need not be asked for."""
        command = parse_command(self._fragments)
        if command is None:
            return self._bad(b"*", _UNKNOWN, b"A command is a tag, a space and a name")
        if command.verb in (b"LOGIN", b"ID"):
            return None
        return self._bad_arguments(command) if command.verb in self._COMMANDS else self._too_early(command)

    def _too_early(self, command: Command) -> DownstreamEvent:
        verb = command.verb.decode() if command.verb in _NEED_LOGIN else _UNKNOWN
        return self._bad(command.tag, verb, b"Log in first" if command.verb in _NEED_LOGIN else b"Unknown command")

    def _bad_arguments(self, command: Command) -> DownstreamEvent:
        return self._bad(command.tag, command.verb.decode(), b"Unexpected arguments")

    def _bad(self, tag: bytes, verb: str, text: bytes) -> DownstreamEvent:
        self._send(b"%b BAD %b" % (tag, text))
        return self._count(verb, text.decode())

    def _count(self, verb: str, reason: str) -> DownstreamEvent:
        self._refused += 1
        if self._refused > MAX_REFUSED:
            return self._abused(f"{MAX_REFUSED} refused commands")
        return CommandRefused(verb, reason)

    def _abused(self, detail: str) -> DownstreamEvent:
        self._in.clear()
        self._end = Abused(detail)
        return self._end

    def _ok(self, text: bytes) -> None:
        self._send(b"%b OK %b" % (self._tag, text))

    def _send(self, line: bytes) -> None:
        self._out += line + b"\r\n"

    def _capabilities(self) -> bytes:
        return imap_capabilities(self._offered, starttls=self._starttls, mechanisms=self._mechanisms).encode()


def _id_fields(arguments: Arguments) -> list[bytes] | None:
    """The strings of an ID command (RFC 2971), quoted again; [] for NIL; None if it is malformed."""
    if not arguments.take(b" "):
        return None
    fields: list[bytes] = []
    if not arguments.take(b"NIL"):
        if not arguments.take(b"("):
            return None
        while not arguments.take(b")"):
            if fields and not arguments.take(b" "):
                return None
            octets = b"" if arguments.take(b"NIL") else arguments.string()
            field = None if octets is None else quoted(octets) if octets else b"NIL"
            if field is None:
                return None
            fields.append(field)
    return fields if arguments.at_end and len(fields) % 2 == 0 else None
