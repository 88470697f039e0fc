"""How does a mail client bring an access token of its own? The server's side of XOAUTH2 and OAUTHBEARER (RFC 7628).

Only where a listener passes tokens on. Nothing is judged here: the mail server says whether the token is good. Its
refusal reaches the client as these mechanisms have it: an error challenge, the client's acknowledgement, the refusal.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from typing import Final

from emailproxy.protocols.events import TokenCredentials
from emailproxy.protocols.exchanges import Exchanges, ProofExchange
from emailproxy.protocols.sasl import MAX_SASL_LINE, SERVER_MECHANISMS, Challenge, PasswordExchange, Refusal
from emailproxy.secret import Secret

__all__ = ["MAX_COMMAND", "TOKEN_MECHANISMS", "BearerExchange", "Exchange", "exchange"]

TOKEN_MECHANISMS: Final = ("XOAUTH2", "OAUTHBEARER")
"""What clients may use besides passwords, in the order it is announced."""

MAX_COMMAND: Final = MAX_SASL_LINE + 256
"""Octets of a command with its initial response, where tokens are passed on: those of Microsoft have 2 to 4 thousand
characters, which base64 makes a third longer."""

_XOAUTH2: Final = re.compile(rb"user=([^\x01]*)\x01auth=([^\x01]*)\x01\x01")
# RFC 7628, section 3.1. Channel binding (p=) is not offered, so nobody can ask for it (RFC 5801, section 5).
_OAUTHBEARER: Final = re.compile(rb"[ny],(?:a=([^,\x01]*))?,\x01((?:[A-Za-z]+=[^\x01]*\x01)*)\x01")
_BEARER: Final = re.compile(rb"bearer +([\x21-\x7e]+)", re.IGNORECASE)
"""RFC 6750 (section 2.1) allows fewer characters; what counts is that nothing can start a new field."""
_SASLNAME: Final = re.compile(rb"(?:[^=]|=2C|=3D)*", re.DOTALL)

_ERRORS: Final = {
    # What Google documents for its mechanism, and the error of RFC 7628 (section 3.2.2).
    "XOAUTH2": b'{"status":"401","schemes":"bearer"}',
    "OAUTHBEARER": b'{"status":"invalid_token","schemes":"bearer"}',
}


class BearerExchange:
    """The server's side of one of `TOKEN_MECHANISMS`, one login long."""

    __slots__ = ("_ending", "_mechanism")

    def __init__(self, mechanism: str) -> None:
        """Start an exchange."""
        assert mechanism in TOKEN_MECHANISMS, mechanism
        self._mechanism = mechanism
        self._ending = False

    def begin(self, initial: bytes | None) -> Challenge | TokenCredentials | Refusal:
        """Take the initial response as it stood in the command; None if there was none, ``=`` if it is empty."""
        if initial is None:
            return Challenge(b"")
        return self.respond(b"" if initial == b"=" else initial)

    def respond(self, line: bytes) -> Challenge | TokenCredentials | Refusal:
        """Take the client's next line, without its line end."""
        if self._ending:
            return Refusal.NO_TOKEN
        if line == b"*":
            return Refusal.CANCELLED
        try:
            message = binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error:
            return Refusal.MALFORMED
        parts = self._xoauth2(message) if self._mechanism == "XOAUTH2" else self._oauthbearer(message)
        if parts is None:
            return Refusal.MALFORMED
        user, authorization = parts
        bearer = _BEARER.fullmatch(authorization)
        try:
            name = user.decode()
        except UnicodeDecodeError:
            name = ""
        if bearer is None or not (name and name.isprintable()):
            # Clients ask in this way what a server wants (RFC 7628, section 4.3).
            self._ending = True
            return self.error
        return TokenCredentials(name, Secret(bearer[1].decode()), self._mechanism)

    @property
    def error(self) -> Challenge:
        """What the client hears of a token that is not accepted. It acknowledges, and then the login fails."""
        return Challenge(b64encode(_ERRORS[self._mechanism]))

    def _xoauth2(self, message: bytes) -> tuple[bytes, bytes] | None:
        found = _XOAUTH2.fullmatch(message)
        return (found[1], found[2]) if found is not None else None

    def _oauthbearer(self, message: bytes) -> tuple[bytes, bytes] | None:
        found = _OAUTHBEARER.fullmatch(message)
        if found is None:
            return None
        identity = found[1] or b""
        if not _SASLNAME.fullmatch(identity):
            return None
        pairs = dict(pair.split(b"=", 1) for pair in found[2].split(b"\x01") if pair)
        return identity.replace(b"=2C", b",").replace(b"=3D", b"="), pairs.get(b"auth", b"")


Exchange = PasswordExchange | BearerExchange | ProofExchange


def exchange(mechanism: str, others: Exchanges) -> Exchange:
    """The exchange of a mechanism that was offered; `others` are those beside passwords and tokens."""
    if mechanism in others:
        return others[mechanism]()
    return PasswordExchange(mechanism) if mechanism in SERVER_MECHANISMS else BearerExchange(mechanism)
