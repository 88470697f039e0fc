"""How are tokens sealed with a mail password? Fernet under PBKDF2, the format that `emailproxy.config` files hold.

A sealed value is a Fernet token (URL-safe base64 text). Its key is PBKDF2-HMAC-SHA256 of the password's octets, 32
octets long, salted with the account's ``token_salt``, with ``token_iterations`` rounds. Files older than that option
used 100,000; what we write uses 1,200,000. Deriving a key is meant to be slow: call `derive_key` in a worker thread,
once (`emailproxy.oauth.passwords` does).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field, replace
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from emailproxy.secret import Secret
from emailproxy.store.base import Record

__all__ = ["Iterations", "SealingKey", "check_value", "derive_key", "new_salt", "parse_salt"]

SALT_OCTETS: Final = 16
KEY_OCTETS: Final = 32


_CHECK: Final = Secret("emailproxy")
"""What `Record.password_check` holds; that it opens is all that counts."""


@dataclass(frozen=True, slots=True)
class Iterations:
    """How many PBKDF2 rounds old and new values have. A parameter only so that tests need not be slow."""

    current: int = 1_200_000
    """New values: the figure that Django recommended in January 2025, and the format's own."""
    legacy: int = 100_000
    """Values of files that have no ``token_iterations``."""
    maximum: int = 20_000_000
    """More than this in a file is a mistake or a trap: one login would keep a core busy for seconds."""

    def target(self, recorded: int | None) -> int:
        """What to seal with, given what the file says: never weaker than what is there."""
        return max(self.current, recorded or 0) if (recorded or 0) <= self.maximum else self.current

    def candidates(self, recorded: int | None) -> tuple[int, ...]:
        """Counts that a value may have been sealed with, likeliest first, each once.

        A file edited by hand, or one that an old version touched last, may hold values of another count than it says.
        """
        first = recorded if recorded is not None and 0 < recorded <= self.maximum else self.legacy
        return tuple(dict.fromkeys((first, self.target(recorded), self.current, self.legacy)))


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A key that was derived from a mail password: opens and seals in microseconds. It holds no password."""

    salt: bytes
    iterations: int
    _fernet: Fernet = field(repr=False, compare=False)

    def seal(self, value: Secret) -> str:
        """The text to store."""
        return self._fernet.encrypt(value.octets).decode("ascii")

    def open(self, sealed: str) -> Secret | None:
        """The sealed value, or None: another password, another iteration count, or no sealed value at all."""
        try:
            return Secret.from_octets(self._fernet.decrypt(sealed.encode("utf-8", "replace")))
        except InvalidToken:
            return None

    def stamped(self, record: Record) -> Record:
        """`record`, bearing what is needed to derive this key again, and to know it again.

        Where the store keeps no access tokens, an account of an application would have nothing else that tells a wrong
        password from the right one.
        """
        check = None
        if record.refresh_token is None and record.client_secret_encrypted is None:
            known = record.password_check
            check = known if known is not None and self.open(known) is not None else self.seal(_CHECK)
        return replace(
            record,
            token_salt=self.salt_text,
            token_iterations=self.iterations,
            sealed_by=None,
            password_check=check,
        )

    @property
    def salt_text(self) -> str:
        """The salt as ``token_salt`` holds it."""
        return base64.b64encode(self.salt).decode("ascii")


def derive_key(password: Secret, salt: bytes, iterations: int) -> SealingKey:
    """Derive the key of `password`. Slow on purpose, blocks, releases the GIL."""
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=KEY_OCTETS, salt=salt, iterations=iterations)
    return SealingKey(salt, iterations, Fernet(base64.urlsafe_b64encode(kdf.derive(password.octets))))


def new_salt() -> bytes:
    """A fresh salt."""
    return secrets.token_bytes(SALT_OCTETS)


def parse_salt(token_salt: str | None) -> bytes | None:
    """``token_salt`` as octets; None if there is none that a key could be derived from.

    As lenient as the files are old: white space and foreign characters inside the base64 text are skipped.
    """
    if not token_salt:
        return None
    try:
        return base64.b64decode(token_salt.encode("utf-8", "replace")) or None
    except binascii.Error:
        return None


def check_value(record: Record) -> str | None:
    """The sealed value that decides whether a password is right: the most precious one there is.

    Only one decides. If an old client secret were enough, a password that was replaced by a new consent would still
    be accepted.
    """
    return record.refresh_token or record.access_token or record.client_secret_encrypted or record.password_check
