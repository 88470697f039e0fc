"""What can happen before login is over, and how is a machine driven? The events, and the two machine protocols.

The driver's loop is the same for every machine::

    while True:
        event = machine.next_event()
        send(machine.data_to_send())
        if event is NEED_DATA:
            machine.receive_data(receive())      # b"" at the end of the stream
        else:
            ...                                  # act, answer the machine by one of its methods, go on

Any exception that leaves a machine is a bug: what the peer does wrong is an event.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from emailproxy.failures import Failure
from emailproxy.protocols.proofs import Proof
from emailproxy.secret import Secret

if TYPE_CHECKING:  # exchanges are made of these events
    from emailproxy.protocols.exchanges import Exchanges

__all__ = [
    "NEED_DATA",
    "Abused",
    "CapabilitiesReceived",
    "CommandRefused",
    "Confirmed",
    "Credentials",
    "CredentialsReceived",
    "Downstream",
    "DownstreamEvent",
    "LoggedIn",
    "LoggedOut",
    "LoginRefused",
    "MailReceived",
    "NeedData",
    "ProofReceived",
    "StartTls",
    "TokenCredentials",
    "TokenReceived",
    "Upstream",
    "UpstreamEvent",
    "UpstreamFailed",
]


class NeedData(enum.Enum):
    """The type of `NEED_DATA`."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA
"""Nothing more to tell until `receive_data` is called."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a mail client sent to log in: never empty, the same octets whatever mechanism carried them."""

    user: str
    password: Secret
    mechanism: str
    """How they came; for the log: ``LOGIN``, ``AUTH PLAIN``, ``AUTH LOGIN``, ``USER/PASS``, or a proof's."""
    authorisation_identity: str | None = None
    """PLAIN's authzid (RFC 4616), None if empty or absent."""


@dataclass(frozen=True, slots=True)
class TokenCredentials:
    """An access token that a mail client brought, for the mail server to judge: never empty, printable ASCII."""

    user: str
    token: Secret
    sasl: str
    """``XOAUTH2`` or ``OAUTHBEARER``."""

    @property
    def mechanism(self) -> str:
        """How it came; for the log."""
        return f"AUTH {self.sasl}"


# --- downstream events ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CredentialsReceived:
    """The client wants to log in. Answer with `Downstream.accept`, `Downstream.refuse` or `Downstream.abort`."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class TokenReceived:
    """The same with a token in place of a password; only where tokens are passed on. Answered in the same ways."""

    credentials: TokenCredentials


@dataclass(frozen=True, slots=True)
class ProofReceived:
    """The same with a proof in place of a password, which the driver is to check.

    Answered by `Downstream.confirm` where our side has something to prove as well, else in the same ways.
    """

    proof: Proof


@dataclass(frozen=True, slots=True)
class MailReceived:
    """SMTP: the client wants to send mail without a login; only where it may. Answered in the same ways.

    After `Downstream.accept` its command is the first of what is left over for the server.
    """


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The client has seen what `Downstream.confirm` said; the login goes on and is answered in the same ways."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Both sides agreed to TLS, in plain text. Send what is to send, shake hands, then call ``secured()``.

    The machine guarantees that nothing received is left in its buffer at this moment.
    """


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """The client is done: it said LOGOUT or QUIT and its goodbye is in `data_to_send`, or it closed the connection."""

    by_command: bool


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """A command that needs a login came before it (or bad credentials syntax) and was answered; worth a log line."""

    command: str
    """The verb alone, upper case, cut to 32 printable characters: never an argument."""
    reason: str = field(default="", compare=False)
    """Our own words to the client, for the log. Dialogues show the reply itself, so it tells no events apart."""


@dataclass(frozen=True, slots=True)
class Abused:
    """The client broke a limit or sent data behind STARTTLS. Call `Downstream.abort`, send, close."""

    detail: str
    """For the operator: what limit; never what was sent."""


DownstreamEvent = (
    NeedData
    | CredentialsReceived
    | TokenReceived
    | ProofReceived
    | Confirmed
    | MailReceived
    | StartTls
    | LoggedOut
    | CommandRefused
    | Abused
)


# --- upstream events ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The server accepted the token. Printable text only; CR and LF cannot occur."""

    lines: tuple[str, ...]
    """The final reply's text, without tag, code or IMAP response code; several only in SMTP.

    IMAP ``AUTHENTICATE completed.``; POP3 ``User successfully logged on.``; SMTP ``2.7.0 Authentication successful``.
    """
    capabilities: tuple[str, ...] = ()
    """IMAP: the capabilities after login, from the tagged OK, an untagged response, or asked for. Else empty."""
    untagged: tuple[bytes, ...] = ()
    """IMAP: other untagged lines (without CRLF) that came with the login, for the client to see."""


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The server refused the login, or cannot take it now."""

    reply: str
    """The server's final words, at most 512 printable characters: for the operator, never for the client."""
    challenge: str | None
    """The decoded failure challenge (JSON text of RFC 7628, or what there was instead), at most 512 printable."""
    temporary: bool
    """The reply says that trying later may help (4xx, ``[UNAVAILABLE]``, ``[SYS/TEMP]``, ``[IN-USE]``, throttling)."""


@dataclass(frozen=True, slots=True)
class UpstreamFailed:
    """The connection is of no use: BYE, 421, garbage, limits, data behind STARTTLS, or the end of the stream."""

    detail: str
    """For the operator: in which state, and the server's words cut to 512 printable characters."""


@dataclass(frozen=True, slots=True)
class CapabilitiesReceived:
    """Only without a login to make (probing): what the server offers. The goodbye is in `data_to_send`."""

    capabilities: tuple[str, ...]


UpstreamEvent = NeedData | StartTls | LoggedIn | LoginRefused | UpstreamFailed | CapabilitiesReceived


# --- machines -------------------------------------------------------------------------------------------------------


class Downstream(Protocol):
    """The mail server that a client sees until it has logged in."""

    def receive_data(self, data: bytes) -> None:
        """Keep `data` (b"": the client closed its side). Never raises; call `next_event` for what follows.

        While credentials wait for their answer the data is only kept; `buffered` grows.
        """
        ...

    def next_event(self) -> DownstreamEvent:
        """What happened next, or `NEED_DATA`. While credentials wait for their answer it is `NEED_DATA`."""
        ...

    def data_to_send(self) -> bytes:
        """Take what is to be sent to the client now (maybe b""). The greeting is there from the start."""
        ...

    @property
    def buffered(self) -> int:
        """Octets received and not used yet; the driver stops reading while credentials wait and this is large."""
        ...

    def secured(self) -> None:
        """The TLS handshake that `StartTls` asked for is done."""
        ...

    def offer(self, exchanges: Exchanges) -> None:
        """Offer these mechanisms from now on, besides passwords and tokens, in place of those given before."""
        ...

    def confirm(self, final: bytes) -> None:
        """The proof was right; tell the client the mechanism's last words. `Confirmed` follows, or a refusal."""
        ...

    def accept(self, logged_in: LoggedIn) -> None:
        """Answer the login with the server's words. The machine's work is over: see `trailing_data`."""
        ...

    def refuse(self, failure: Failure) -> None:
        """Answer the login with a failure; the client may try again."""
        ...

    def abort(self, failure: Failure) -> None:
        """Say goodbye in the protocol's words, in any state; a login that waits is answered first. Then close."""
        ...

    @property
    def trailing_data(self) -> bytes:
        """After `accept`: what the client sent behind its login, in order, octet for octet."""
        ...


class Upstream(Protocol):
    """The mail client that a server sees until it is logged in."""

    def receive_data(self, data: bytes) -> None:
        """Keep `data` (b"": the server closed its side)."""
        ...

    def next_event(self) -> UpstreamEvent:
        """What happened next, or `NEED_DATA`."""
        ...

    def data_to_send(self) -> bytes:
        """Take what is to be sent to the server now (maybe b"")."""
        ...

    def secured(self) -> None:
        """The TLS handshake that `StartTls` asked for is done."""
        ...

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What the server offered last before login; empty if nothing is known.

        IMAP capability tokens, POP3 CAPA lines, SMTP EHLO lines (without the first, which greets).
        """
        ...

    @property
    def trailing_data(self) -> bytes:
        """After `LoggedIn`: what the server sent behind its reply, in order, octet for octet."""
        ...
