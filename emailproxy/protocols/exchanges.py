"""How does a client prove that it knows a password without sending it? The server's side of three mechanisms.

SCRAM-SHA-256 (RFC 5802, 7677), CRAM-MD5 (RFC 2195) and EXTERNAL (RFC 4422, appendix A). An exchange ends with a proof,
which the driver checks; nothing here knows a password, a clock or randomness, so what must be unique is given.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from emailproxy.protocols.proofs import ITERATIONS, CramProof, ExternalProof, Proof, ScramProof
from emailproxy.protocols.sasl import Challenge, Refusal

__all__ = ["CramExchange", "Exchanges", "ExternalExchange", "ProofExchange", "ScramExchange"]


class ProofExchange(Protocol):
    """The server's side of a mechanism that ends with a proof, one login long."""

    def begin(self, initial: bytes | None) -> Challenge | Proof | Refusal:
        """Take the initial response as it stood in the command; None if there was none, ``=`` if it is empty."""
        ...

    def respond(self, line: bytes) -> Challenge | Proof | Refusal:
        """Take the client's next line, without its line end."""
        ...


Exchanges = Mapping[str, Callable[[], ProofExchange]]
"""By mechanism, what makes a new exchange; in the order in which they are announced."""

_PRINTABLE: Final = rb"[\x21-\x2b\x2d-\x7e]"
"""RFC 5802, section 7: printable, without the comma."""
_FIRST: Final = re.compile(
    # Channel binding (p=) is not offered; "y" says that the client would have liked it. Extensions come last.
    rb"(?P<gs2>[ny],(?:a=(?P<identity>[^,\0]+))?,)"
    rb"(?P<bare>n=(?P<user>[^,\0]+),r=(?P<nonce>" + _PRINTABLE + rb"+)(?:,[A-Za-z]=[^\0]*)?)"
)
_FINAL: Final = re.compile(
    rb"(?P<without>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>" + _PRINTABLE + rb"+)(?:,[A-Za-z]=[^\0]*)?)"
    rb",p=(?P<proof>[A-Za-z0-9+/=]+)"
)
_SASLNAME: Final = re.compile(rb"(?:[^=]|=2C|=3D)*", re.DOTALL)
_PROOF_OCTETS: Final = 32
MAX_NONCE: Final = 512
"""Octets of a client's nonce; real ones have 18 to 64, and it comes back in what we say."""


class ScramExchange:
    """SCRAM-SHA-256, without channel binding.

    Args:
        nonce: ours, printable, without a comma, never used before.
        salt_of: the salt for a user name, whether or not there is such a user.
    """

    __slots__ = ("_first", "_gs2", "_identity", "_nonce", "_salt", "_salt_of", "_server_first", "_user")

    def __init__(self, nonce: str, salt_of: Callable[[str], bytes]) -> None:
        self._nonce = nonce.encode("ascii")
        self._salt_of = salt_of
        self._first: bytes | None = None
        self._gs2 = self._server_first = self._salt = b""
        self._user = ""
        self._identity: str | None = None

    def begin(self, initial: bytes | None) -> Challenge | Proof | Refusal:
        """See `ProofExchange.begin`."""
        if initial is None:
            return Challenge(b"")
        return self.respond(b"" if initial == b"=" else initial)

    def respond(self, line: bytes) -> Challenge | Proof | Refusal:
        """See `ProofExchange.respond`."""
        message = _decoded(line)
        if isinstance(message, Refusal):
            return message
        return self._take_first(message) if self._first is None else self._take_final(message)

    def _take_first(self, message: bytes) -> Challenge | Refusal:
        found = _FIRST.fullmatch(message)
        if found is None or len(found["nonce"]) > MAX_NONCE:
            return Refusal.MALFORMED
        user, identity = _name(found["user"]), _name(found["identity"] or b"")
        if not user or identity is None:
            return Refusal.UNUSABLE
        self._user, self._identity = user, identity or None
        self._gs2, self._first = found["gs2"], found["bare"]
        self._nonce = found["nonce"] + self._nonce
        self._salt = self._salt_of(user)
        self._server_first = b"r=%b,s=%b,i=%d" % (self._nonce, base64.b64encode(self._salt), ITERATIONS)
        return Challenge(base64.b64encode(self._server_first))

    def _take_final(self, message: bytes) -> Proof | Refusal:
        assert self._first is not None
        found = _FINAL.fullmatch(message)
        if found is None or found["binding"] != base64.b64encode(self._gs2) or found["nonce"] != self._nonce:
            return Refusal.MALFORMED
        try:
            proof = binascii.a2b_base64(found["proof"], strict_mode=True)
        except binascii.Error:
            proof = b""
        if len(proof) != _PROOF_OCTETS:
            return Refusal.MALFORMED
        auth_message = b",".join((self._first, self._server_first, found["without"]))
        return ScramProof(self._user, self._identity, self._salt, ITERATIONS, auth_message, proof)


class CramExchange:
    """CRAM-MD5.

    Args:
        challenge: ours, in the form of a message id, never used before.
    """

    __slots__ = ("_challenge",)

    def __init__(self, challenge: str) -> None:
        self._challenge = challenge.encode("ascii")

    def begin(self, initial: bytes | None) -> Challenge | Proof | Refusal:
        """See `ProofExchange.begin`. Here the server speaks first, so there is no initial response."""
        return Challenge(base64.b64encode(self._challenge)) if initial is None else Refusal.MALFORMED

    def respond(self, line: bytes) -> Challenge | Proof | Refusal:
        """See `ProofExchange.respond`."""
        message = _decoded(line)
        if isinstance(message, Refusal):
            return message
        user, space, digest = message.rpartition(b" ")
        if not space or re.fullmatch(rb"[0-9a-f]{32}", digest) is None:
            return Refusal.MALFORMED
        name = _text(user)
        return CramProof(name, self._challenge, digest) if name else Refusal.UNUSABLE


class ExternalExchange:
    """EXTERNAL: the client only says who it wants to be, or leaves that to its certificate."""

    __slots__ = ()

    def begin(self, initial: bytes | None) -> Challenge | Proof | Refusal:
        """See `ProofExchange.begin`."""
        if initial is None:
            return Challenge(b"")
        return self.respond(b"" if initial == b"=" else initial)

    def respond(self, line: bytes) -> Challenge | Proof | Refusal:
        """See `ProofExchange.respond`."""
        message = _decoded(line)
        if isinstance(message, Refusal):
            return message
        identity = _text(message)
        return ExternalProof(identity or None) if identity is not None else Refusal.UNUSABLE


def _decoded(line: bytes) -> bytes | Refusal:
    if line == b"*":
        return Refusal.CANCELLED
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        return Refusal.MALFORMED


def _name(saslname: bytes) -> str | None:
    """The name that RFC 5802 (section 5.1) writes with ``=2C`` and ``=3D``; None if it is none."""
    if not _SASLNAME.fullmatch(saslname):
        return None
    return _text(saslname.replace(b"=2C", b",").replace(b"=3D", b"="))


def _text(octets: bytes) -> str | None:
    """A user name by the rules of `emailproxy.protocols.sasl.credentials`."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
