"""What does a client show that does not send its password? Proofs, and what they are held against.

A proof is made from the password and from what both sides said. To check one, something must be kept that is worth
more to a thief than a slow hash: a SCRAM verifier (RFC 5802, section 3), which lets nobody in but can be guessed
against quickly, or for CRAM-MD5 (RFC 2195) the password itself. Nothing here decides which account has what.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from emailproxy.secret import Secret

__all__ = ["ITERATIONS", "CramProof", "ExternalProof", "Proof", "ScramProof", "ScramVerifier", "scram_salt"]

ITERATIONS: Final = 4096
"""What RFC 7677 (section 4) asks for at least. More would protect passwords that people choose; those that are kept in
this way have 65 random bits, and the client, which may be a printer, has to do the work at each login."""

_SALT_OCTETS: Final = 16
_SCHEME: Final = "SCRAM-SHA-256"


def scram_salt(account: str) -> bytes:
    """The salt of `account`, whether or not there is such an account.

    It follows from the name, so that the answer to a name is the same in content and time whoever has an account; a
    salt that is looked up would tell. What a random salt is for, that one table of guesses serves for many accounts, is
    no danger to random passwords.
    """
    name = account.casefold().encode("utf-8", "surrogatepass")
    return hashlib.sha256(b"emailproxy SCRAM salt\0" + name).digest()[:_SALT_OCTETS]


@dataclass(frozen=True, slots=True)
class ScramVerifier:
    """What is kept of a password for SCRAM-SHA-256."""

    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)
    salt: bytes
    iterations: int = ITERATIONS

    @classmethod
    def of(cls, password: Secret, salt: bytes, iterations: int = ITERATIONS) -> ScramVerifier:
        """Derive it (RFC 5802, section 3). SASLprep changes nothing in the ASCII passwords that this is used for."""
        salted = hashlib.pbkdf2_hmac("sha256", password.octets, salt, iterations)
        stored = hashlib.sha256(_mac(salted, b"Client Key")).digest()
        return cls(stored, _mac(salted, b"Server Key"), salt, iterations)

    @classmethod
    def parse(cls, text: str) -> ScramVerifier:
        """The inverse of `text`.

        Raises:
            ValueError: it is none; the message does not repeat it.
        """
        try:
            scheme, middle, keys = text.split("$")
            iterations, salt = middle.split(":")
            stored, server = (base64.b64decode(part, validate=True) for part in keys.split(":"))
            found = cls(stored, server, base64.b64decode(salt, validate=True), int(iterations))
        except (ValueError, binascii.Error):
            raise ValueError("a SCRAM verifier is damaged") from None
        if scheme != _SCHEME or len(stored) != 32 or len(server) != 32:
            raise ValueError("a SCRAM verifier is damaged")
        return found

    @property
    def text(self) -> str:
        """In the form of RFC 5803."""
        salt, stored, server = (base64.b64encode(o).decode() for o in (self.salt, self.stored_key, self.server_key))
        return f"{_SCHEME}${self.iterations}:{salt}${stored}:{server}"


@dataclass(frozen=True, slots=True)
class ScramProof:
    """The client's side of a SCRAM-SHA-256 exchange."""

    user: str
    authorisation_identity: str | None
    salt: bytes
    iterations: int
    auth_message: bytes = field(repr=False)
    client_proof: bytes = field(repr=False)
    mechanism: str = "AUTH SCRAM-SHA-256"

    def server_final(self, verifier: ScramVerifier) -> bytes | None:
        """What shows the client that we have `verifier`; None if the proof does not fit it."""
        if (verifier.salt, verifier.iterations) != (self.salt, self.iterations):
            return None  # it was made for another name of the account
        signature = _mac(verifier.stored_key, self.auth_message)
        client_key = bytes(one ^ other for one, other in zip(self.client_proof, signature, strict=True))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key):
            return None
        return b"v=" + base64.b64encode(_mac(verifier.server_key, self.auth_message))


@dataclass(frozen=True, slots=True)
class CramProof:
    """The answer to a CRAM-MD5 challenge."""

    user: str
    challenge: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    """In hexadecimal, as it came."""
    mechanism: str = "AUTH CRAM-MD5"
    authorisation_identity: None = None

    def fits(self, password: Secret) -> bool:
        """Whether `password` makes this answer, in constant time."""
        made = hmac.new(password.octets, self.challenge, hashlib.md5).hexdigest().encode()
        return hmac.compare_digest(made, self.digest)


@dataclass(frozen=True, slots=True)
class ExternalProof:
    """The client refers to what was proven outside of the exchange: its TLS certificate (RFC 4422, appendix A)."""

    authorisation_identity: str | None
    mechanism: str = "AUTH EXTERNAL"


Proof = ScramProof | CramProof | ExternalProof


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
