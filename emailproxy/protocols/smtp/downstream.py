"""What does an SMTP client hear until it is logged in? The server's side of RFC 5321, 3207 and 4954."""

from __future__ import annotations

import enum
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Final

from emailproxy.failures import Failure, FailureKind
from emailproxy.protocols import bearer, replies
from emailproxy.protocols.capabilities import smtp_extensions
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
    MailReceived,
    ProofReceived,
    StartTls,
    TokenCredentials,
    TokenReceived,
)
from emailproxy.protocols.exchanges import Exchanges
from emailproxy.protocols.lines import LineTooLongError, ReceiveBuffer
from emailproxy.protocols.proofs import CramProof, ExternalProof, Proof, ScramProof
from emailproxy.protocols.sasl import MAX_SASL_LINE, NEEDED, SERVER_MECHANISMS, Challenge, Refusal
from emailproxy.protocols.strangers import LONGEST_SIGNATURE, NOT_SURE_YET, recognise
from emailproxy.protocols.wording import printable

__all__ = ["DownstreamSmtp"]

MAX_LINE: Final = 8_192
"""Octets of a command: RFC 5321 (4.5.3.1.4) says 512, but an initial response comes on top; as in IMAP."""
MAX_CLIENT_NAME: Final = 255
"""Octets of an EHLO argument that is passed on: a domain name has no more (RFC 5321, 4.5.3.1.2)."""
MAX_REFUSED: Final = 20
"""Refused commands before we hang up, as Postfix does (smtpd_hard_error_limit). A client that pipelines a message
without logging in still hears that for its MAIL, RCPTs and DATA."""

_UNKNOWN: Final = "(unknown)"
_NEED_LOGIN: Final = frozenset((b"MAIL", b"RCPT", b"DATA", b"EXPN", b"ETRN", b"TURN", b"ATRN", b"BURL", b"SEND"))
_CLIENT_NAME: Final = re.compile(rb"[\x21-\x7e]{1,%d}" % MAX_CLIENT_NAME)


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


class DownstreamSmtp:
    """The SMTP server that a client sees until it has logged in (`emailproxy.protocols.events.Downstream`)."""

    def __init__(
        self,
        *,
        capabilities: Sequence[str],
        starttls: bool,
        hostname: str,
        pass_tokens: bool = False,
        exchanges: Exchanges = MappingProxyType({}),
        without_login: bool = False,
    ) -> None:
        """Greet.

        Args:
            capabilities: what the server offered last before login (`UpstreamSmtp.capabilities`); empty: not known.
            starttls: whether to offer STARTTLS until `secured` is called.
            hostname: what we call ourselves in the greeting and in the answer to EHLO.
            pass_tokens: whether to offer mechanisms for a token of the client's own.
            exchanges: further mechanisms to offer.
            without_login: whether the client may send mail without one.
        """
        self._passing = bearer.TOKEN_MECHANISMS if pass_tokens else ()
        self.offer(exchanges)
        self._max_line = bearer.MAX_COMMAND if pass_tokens else MAX_LINE
        self._offered = capabilities
        self._starttls = starttls
        self._hostname = printable(hostname, MAX_CLIENT_NAME).replace(" ", "") or "localhost"
        self._in = ReceiveBuffer()
        self._out = bytearray()
        self._state = _State.FIRST_OCTETS
        self._end: DownstreamEvent | None = None
        self._greeted = False
        self._closed = False
        self._refused = 0
        self._introduced = False
        self._client_name: str | None = None
        self._exchange: bearer.Exchange | None = None
        self._verdict = b""
        self._without_login = without_login
        self._mail = b""
        self._reply("220", f"{self._hostname} ESMTP emailproxy ready")

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
    def client_name(self) -> str | None:
        """The argument of the client's last EHLO or HELO, printable and without spaces; None if it is not that."""
        return self._client_name

    def secured(self) -> None:
        """See `Downstream.secured`."""
        assert self._state is _State.HANDSHAKE, self._state
        self._in.clear()  # what came in plain text never counts as sent in TLS
        self._starttls = False
        self._introduced = False  # RFC 3207, 4.2: forget what the client said before
        self._client_name = None
        self._state = _State.COMMAND

    def offer(self, exchanges: Exchanges) -> None:
        """See `Downstream.offer`."""
        self._exchanges = exchanges
        self._mechanisms = (*SERVER_MECHANISMS, *self._passing, *exchanges)

    def confirm(self, final: bytes) -> None:
        """See `Downstream.confirm`."""
        assert self._state is _State.ANSWER, self._state
        self._out += b"334 %b\r\n" % b64encode(final)
        self._state = _State.CONFIRMATION

    def accept(self, logged_in: LoggedIn) -> None:
        """See `Downstream.accept`."""
        assert self._state is _State.ANSWER, self._state
        if not self._mail:  # else the server answers that
            lines = [printable(line) for line in logged_in.lines if line]
            self._reply("235", *(lines or ["2.7.0 Authentication successful"]))
        self._state = _State.RELAY

    def refuse(self, failure: Failure) -> None:
        """See `Downstream.refuse`."""
        assert self._state is _State.ANSWER, self._state
        verdict = replies.smtp_reply(failure.kind, replies.told(failure))
        if self._mail:
            self._mail = b""
            verdict = replies.smtp_no_mail(failure.kind, replies.told(failure))
        if isinstance(self._exchange, bearer.BearerExchange) and failure.kind is FailureKind.WRONG_CREDENTIALS:
            self._out += b"334 %b\r\n" % self._exchange.error.text
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
            self._out.clear()  # 421 is a greeting too (RFC 5321, 3.8)
        answer = replies.smtp_reply(failure.kind, replies.told(failure))
        goodbye = replies.smtp_goodbye(failure.kind, replies.told(failure))
        if self._state is _State.ANSWER and answer != goodbye:
            self._out += answer
        elif self._state is _State.ACKNOWLEDGEMENT:
            self._out += self._verdict
        self._out += goodbye
        self._in.clear()
        self._end = self._end or LoggedOut(by_command=False)

    @property
    def trailing_data(self) -> bytes:
        """See `Downstream.trailing_data`."""
        return self._mail + self._in.rest() if self._state is _State.RELAY else b""

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
        word, _, argument = line.strip(b" \t").partition(b" ")
        verb = word.upper()
        handler = self._COMMANDS.get(verb)
        if handler is not None:
            return handler(self, argument.strip(b" \t"))
        if verb == b"MAIL" and self._without_login and self._introduced:
            self._mail = line + b"\r\n"
            self._state = _State.ANSWER
            return MailReceived()
        if verb in _NEED_LOGIN:
            return self._no(verb.decode(), "530", "5.7.0 Authentication required")
        return self._no(_UNKNOWN, "500", "5.5.1 Unknown command")

    def _await_sasl(self) -> DownstreamEvent | None:
        line = self._in.line(MAX_SASL_LINE)
        if line is None:
            return NEED_DATA
        assert self._exchange is not None
        return self._continue(self._exchange.respond(line))

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
            return self._continue(Refusal.CANCELLED)
        self._state = _State.ANSWER
        return Confirmed()

    def _await_answer(self) -> DownstreamEvent | None:
        return NEED_DATA

    def _await_handshake(self) -> DownstreamEvent | None:
        return self._abused("data behind STARTTLS") if len(self._in) else NEED_DATA

    _HANDLERS: ClassVar[Mapping[_State, Callable[[DownstreamSmtp], DownstreamEvent | None]]] = {
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

    def _ehlo(self, argument: bytes) -> DownstreamEvent | None:
        if not argument:
            return self._no("EHLO", "501", "5.5.4 EHLO needs your name")
        self._introduce(argument)
        self._reply(
            "250", self._hostname, *smtp_extensions(self._offered, starttls=self._starttls, mechanisms=self._mechanisms)
        )
        return None

    def _helo(self, argument: bytes) -> DownstreamEvent | None:
        if not argument:
            return self._no("HELO", "501", "5.5.4 HELO needs your name")
        self._introduce(argument)
        self._reply("250", self._hostname)
        return None

    def _noop(self, argument: bytes) -> DownstreamEvent | None:  # noqa: ARG002  # RFC 5321, 4.1.1.9: any argument
        self._reply("250", "2.0.0 OK")
        return None

    def _rset(self, argument: bytes) -> DownstreamEvent | None:
        if argument:
            return self._no("RSET", "501", "5.5.4 RSET takes no argument")
        self._reply("250", "2.0.0 OK")
        return None

    def _vrfy(self, argument: bytes) -> DownstreamEvent | None:  # noqa: ARG002  # the same for every argument
        self._reply("252", "2.5.2 Send a message to find out")
        return None

    def _help(self, argument: bytes) -> DownstreamEvent | None:  # noqa: ARG002  # the same for every argument
        self._reply("214", "2.0.0 Log in with AUTH; before that EHLO, STARTTLS, NOOP, RSET and QUIT are known")
        return None

    def _quit(self, argument: bytes) -> DownstreamEvent | None:
        if argument:
            return self._no("QUIT", "501", "5.5.4 QUIT takes no argument")
        self._reply("221", "2.0.0 Goodbye")
        self._closed = True
        self._end = LoggedOut(by_command=True)
        return None

    def _bdat(self, argument: bytes) -> DownstreamEvent | None:  # noqa: ARG002  # how many octets does not matter
        # RFC 3030, section 2: the octets follow at once, whatever we say, and must not be read as commands.
        return self._abused("message data (BDAT) before login")

    def _start_tls(self, argument: bytes) -> DownstreamEvent | None:
        if argument:
            return self._no("STARTTLS", "501", "5.5.4 STARTTLS takes no argument")
        if not self._starttls:
            return self._no("STARTTLS", "503", "5.5.1 STARTTLS is not offered")
        if len(self._in):
            return self._abused("data behind STARTTLS")
        self._reply("220", "2.0.0 Begin TLS negotiation now")
        self._state = _State.HANDSHAKE
        return StartTls()

    def _auth(self, argument: bytes) -> DownstreamEvent | None:
        if not self._introduced:
            return self._no("AUTH", "503", "5.5.1 Send EHLO first")
        match argument.split():
            case [mechanism]:
                initial = None
            case [mechanism, initial]:
                pass
            case _:
                return self._no("AUTH", "501", "5.5.4 AUTH takes a mechanism and an initial response")
        name = mechanism.upper().decode("ascii", "replace")
        if name not in self._mechanisms:
            return self._no("AUTH", "504", f"5.5.4 Unsupported mechanism; use one of {', '.join(self._mechanisms)}")
        self._exchange = bearer.exchange(name, self._exchanges)
        return self._continue(self._exchange.begin(initial))

    _COMMANDS: ClassVar[Mapping[bytes, Callable[[DownstreamSmtp, bytes], DownstreamEvent | None]]] = {
        b"EHLO": _ehlo,
        b"HELO": _helo,
        b"NOOP": _noop,
        b"RSET": _rset,
        b"VRFY": _vrfy,
        b"HELP": _help,
        b"QUIT": _quit,
        b"BDAT": _bdat,
        b"STARTTLS": _start_tls,
        b"AUTH": _auth,
    }

    # --- answers ---

    def _continue(
        self, outcome: Challenge | Credentials | TokenCredentials | Proof | Refusal
    ) -> DownstreamEvent | None:
        """Go on after a step of a login."""
        match outcome:
            case Challenge(text):
                self._out += b"334 %b\r\n" % text
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
                return self._no("AUTH", "501", "5.7.0 Authentication cancelled")
            case Refusal.MALFORMED:
                return self._no("AUTH", "501", "5.5.2 Malformed credentials")
            case Refusal.UNUSABLE | Refusal.NO_TOKEN:
                sentence = NEEDED[outcome]
                self._out += replies.smtp_reply(FailureKind.WRONG_CREDENTIALS, sentence)
                return self._count("AUTH", sentence)

    def _introduce(self, argument: bytes) -> None:
        self._introduced = True
        self._client_name = argument.decode() if _CLIENT_NAME.fullmatch(argument) else None

    def _no(self, verb: str, code: str, text: str) -> DownstreamEvent:
        self._reply(code, text)
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

    def _reply(self, code: str, *lines: str) -> None:
        """Send a reply; a hyphen behind the code of every line but the last (RFC 5321, 4.2.1)."""
        *others, last = lines
        self._out += "".join([*(f"{code}-{line}\r\n" for line in others), f"{code} {last}\r\n"]).encode()
