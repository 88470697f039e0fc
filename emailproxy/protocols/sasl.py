"""How are credentials carried? PLAIN and LOGIN towards the client, XOAUTH2 and OAUTHBEARER towards the server."""

from __future__ import annotations

import binascii
import enum
from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from emailproxy.protocols.events import Credentials
from emailproxy.protocols.wording import printable, without
from emailproxy.secret import Secret

__all__ = [
    "MAX_SASL_LINE",
    "NEEDED",
    "SERVER_MECHANISMS",
    "Challenge",
    "PasswordExchange",
    "Refusal",
    "TokenExchange",
    "UpstreamLogin",
    "credentials",
]

MAX_SASL_LINE: Final = 12_288
"""Octets of one line of an exchange, both ways: what RFC 4954 (section 4) makes a server accept."""

SERVER_MECHANISMS: Final = ("PLAIN", "LOGIN")
"""What clients may use, in the order it is announced."""

_MAX_FAILURE_CHALLENGES: Final = 1
"""RFC 7628 (3.2.3) has one; a server that goes on asking would keep us for ever."""


# --- towards the client ---------------------------------------------------------------------------------------------


class Refusal(enum.Enum):
    """Why an exchange ended without credentials. Nobody but us has to know; each protocol has its own reply."""

    CANCELLED = "the client cancelled"
    MALFORMED = "not base64, or not the form of the mechanism"
    UNUSABLE = "an empty user name or password, or a user name that is not text"
    NO_TOKEN = "no token where one was to be, or no user name that it is for"  # noqa: S105


NEEDED: Final = {
    Refusal.UNUSABLE: "A user name and a password are needed",
    Refusal.NO_TOKEN: "A user name and a token are needed",
}
"""What the client is told of those that are like wrong credentials."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The exchange goes on; `text` is base64 already, maybe empty."""

    text: bytes


def credentials(
    user: bytes, password: bytes, mechanism: str, authorisation_identity: bytes = b""
) -> Credentials | Refusal:
    """Check what arrived, by the same rules whatever carried it.

    A user name must be UTF-8 without control characters (it goes to logs and into the XOAUTH2 response, where they
    would start a new field). A password is any octets but NUL, which PLAIN cannot carry (RFC 4616, section 2).
    """
    if b"\0" in user or b"\0" in password:
        return Refusal.MALFORMED
    try:
        name, identity = user.decode(), authorisation_identity.decode()
    except UnicodeDecodeError:
        return Refusal.UNUSABLE
    if not (name and password and name.isprintable() and identity.isprintable()):
        return Refusal.UNUSABLE
    return Credentials(name, Secret.from_octets(password), mechanism, identity or None)


class PasswordExchange:
    """The server's side of PLAIN (RFC 4616) or LOGIN (draft-murchison-sasl-login), one login long."""

    __slots__ = ("_mechanism", "_user")

    def __init__(self, mechanism: str) -> None:
        """Start an exchange of one of `SERVER_MECHANISMS`."""
        assert mechanism in SERVER_MECHANISMS, mechanism
        self._mechanism = mechanism
        self._user: bytes | None = None

    def begin(self, initial: bytes | None) -> Challenge | Credentials | Refusal:
        """Take the initial response as it stood in the command; None if there was none, ``=`` if it is empty."""
        if initial is None:
            return Challenge(b64encode(b"Username:") if self._mechanism == "LOGIN" else b"")
        return self.respond(b"" if initial == b"=" else initial)

    def respond(self, line: bytes) -> Challenge | Credentials | Refusal:
        """Take the client's next line, without its line end."""
        if line == b"*":
            return Refusal.CANCELLED
        try:
            response = binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error:
            return Refusal.MALFORMED
        return self._plain(response) if self._mechanism == "PLAIN" else self._login(response)

    def _plain(self, message: bytes) -> Credentials | Refusal:
        match message.split(b"\0"):
            case [identity, user, password]:
                return credentials(user, password, "AUTH PLAIN", identity)
            case _:
                return Refusal.MALFORMED

    def _login(self, response: bytes) -> Challenge | Credentials | Refusal:
        if self._user is None:
            # An empty name is refused at the end: asking on tells a guesser nothing, and clients expect two steps.
            self._user = response
            return Challenge(b64encode(b"Password:"))
        return credentials(self._user, response, "AUTH LOGIN")


# --- towards the server ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UpstreamLogin:
    """With what to log in at which server."""

    user: str
    token: Secret
    """The OAuth 2.0 access token."""
    host: str
    """The server's name as configured, for OAUTHBEARER."""
    port: int


@dataclass(slots=True)
class TokenExchange:
    """The client's side of XOAUTH2 or OAUTHBEARER, one login long."""

    login: UpstreamLogin
    offered: Collection[str]
    """The mechanisms that the server lists, upper case; empty if it lists none."""
    failure_challenge: str | None = None
    """What the server told about the failure, decoded, printable and cut; for the log."""
    _inline: bool = field(default=False, init=False)
    _sent: bool = field(default=False, init=False)
    _failures: int = field(default=0, init=False)
    _made: Secret | None = field(default=None, init=False)

    @property
    def mechanism(self) -> str:
        """OAUTHBEARER only where XOAUTH2 is not offered; XOAUTH2 is tried even where neither is listed."""
        return "OAUTHBEARER" if "OAUTHBEARER" in self.offered and "XOAUTH2" not in self.offered else "XOAUTH2"

    def inline(self) -> Secret:
        """The initial response as base64, to be sent in the command itself."""
        self._inline = self._sent = True
        return self._response()

    def answer(self, challenge: bytes) -> Secret | None:
        """What to send, base64, when the server says `challenge`; None if it asks for more than there is to say."""
        if not self._sent or (self._inline and not challenge):
            # The second case is a server that offers SASL-IR and prompts all the same: it has not seen the response.
            self._sent, self._inline = True, False
            return self._response()
        self._failures += 1
        if self._failures > _MAX_FAILURE_CHALLENGES:
            return None
        self.failure_challenge = self.words(_decoded(challenge))
        # RFC 7628, 3.2.3 wants a lone %x01; XOAUTH2 (Google, Microsoft) an empty line.
        return Secret("AQ==" if self.mechanism == "OAUTHBEARER" else "")

    def words(self, text: bytes | str) -> str:
        """What the server said, fit for a log, with the token masked if the server quotes it."""
        return without((self.login.token, self._response()), text)

    def _response(self) -> Secret:
        if self._made is None:
            self._made = self._make_response()
        return self._made

    def _make_response(self) -> Secret:
        user, token = self.login.user, self.login.token.reveal()
        if self.mechanism == "OAUTHBEARER":
            identity = user.replace("=", "=3D").replace(",", "=2C")  # saslname, RFC 5801, section 4
            message = f"n,a={identity},\1host={self.login.host}\1port={self.login.port}\1auth=Bearer {token}\1\1"
        else:
            message = f"user={user}\1auth=Bearer {token}\1\1"
        return Secret(b64encode(Secret(message).octets).decode())


def _decoded(challenge: bytes) -> str:
    try:
        return printable(binascii.a2b_base64(challenge, strict_mode=True))
    except binascii.Error:
        return printable(challenge)  # what there was instead
