"""How are the tokens of a managed account sealed? Fernet under a key that the service key gives for this account.

Each account has a key of its own (HKDF-SHA256 with the account's name), so that a value which somebody moves from one
account's record into another's does not open there.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from emailproxy.config.model import Settings
from emailproxy.config.sealkey import SealKey
from emailproxy.failures import ProxyError
from emailproxy.secret import Secret
from emailproxy.store.base import Record

__all__ = ["AccountKey", "NoSealKeyError", "account_key", "current_key", "key_of"]

INFO: Final = b"emailproxy managed account\0"


class NoSealKeyError(ProxyError):
    """The configuration does not have the service key that is needed; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """Opens and seals the values of one managed account."""

    identifier: str
    """The service key's."""
    _fernet: Fernet = field(repr=False, compare=False)

    def seal(self, value: Secret) -> str:
        """The text to store."""
        return self._fernet.encrypt(value.octets).decode("ascii")

    def open(self, sealed: str) -> Secret | None:
        """The sealed value, or None: another key, another account, or no sealed value at all."""
        try:
            return Secret.from_octets(self._fernet.decrypt(sealed.encode("utf-8", "replace")))
        except InvalidToken:
            return None

    def stamped(self, record: Record) -> Record:
        """`record`, bearing what sealed it."""
        return replace(record, sealed_by=self.identifier, token_salt=None, token_iterations=None, password_check=None)


def account_key(key: SealKey, account: str) -> AccountKey:
    """The key of `account`; mailbox names are compared without case, so the spelling does not matter."""
    name = account.casefold().encode("utf-8", "surrogatepass")
    octets = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=INFO + name).derive(key.octets)
    return AccountKey(key.identifier, Fernet(base64.urlsafe_b64encode(octets)))


def current_key(settings: Settings, account: str) -> AccountKey:
    """What a record of `account` is sealed with from now on.

    Raises:
        NoSealKeyError: there is none.
    """
    if settings.seal_key is None:
        raise NoSealKeyError(
            "managed accounts need a service key: emailproxy seal init PATH makes one; then write "
            "seal_key = file:PATH into [emailproxy]"
        )
    return account_key(settings.seal_key, account)


def key_of(settings: Settings, account: str, sealed_by: str) -> AccountKey:
    """What opens a record of `account` that the service key `sealed_by` sealed.

    Raises:
        NoSealKeyError: that key is neither the current nor the previous one.
    """
    for key in (settings.seal_key, settings.seal_key_previous):
        if key is not None and key.identifier == sealed_by:
            return account_key(key, account)
    known = [key.identifier for key in (settings.seal_key, settings.seal_key_previous) if key is not None]
    raise NoSealKeyError(
        f"it is sealed with the service key {sealed_by!r:.30}; the configuration has {' and '.join(known) or 'none'}; "
        "let seal_key, or seal_key_previous, refer to that one"
    )
