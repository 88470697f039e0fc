"""What is a store? One record per account, with versions; absent, failed and changed are three different answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Final, NewType, Protocol

from emailproxy.failures import ProxyError

__all__ = [
    "CACHED_OPTIONS",
    "RECORD_OPTIONS",
    "CacheStore",
    "Record",
    "StoreAddressError",
    "StoreConflictError",
    "StoreContentError",
    "StoreDeniedError",
    "StoreError",
    "StoreFactory",
    "StoreTooLargeError",
    "StoreUnavailableError",
    "Stored",
    "Version",
]

Version = NewType("Version", str)
"""Names one state of one account's record. Opaque: compare for equality only."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the proxy keeps for one account; not every format holds all of it, see `CACHED_OPTIONS`.

    Tokens and the client secret are sealed (Fernet text); the store neither can nor need open them.
    """

    token_salt: str | None = None
    """base64 of 16 random octets: the PBKDF2 salt of the mail password."""
    token_iterations: int | None = None
    """PBKDF2 iterations; None means 100,000 (files older than the option)."""
    access_token: str | None = None
    access_token_expiry: int | None = None
    """Unix time, seconds."""
    refresh_token: str | None = None
    client_secret_encrypted: str | None = None
    last_activity: int | None = None
    """Unix time, seconds, of the last login."""
    refresh_token_issued: int | None = None
    """Unix time, seconds, when the provider gave this refresh token; kept by stores with the JSON document only."""
    lease_owner: str | None = None
    """The replica whose turn it is to refresh; only for accounts whose refresh tokens may be used once."""
    lease_until: int | None = None
    """Unix time, seconds, when that turn ends."""
    sealed_by: str | None = None
    """Which service key sealed it; None: the mail password did. An account whose record bears this is managed."""
    app_passwords: str | None = None
    """The managed account's app passwords, sealed."""
    app_passwords_used: str | None = None
    """When each of them was last used; written along with something else, so that it may lag behind."""
    password_check: str | None = None
    """A constant that the mail password seals, where nothing else is kept that a password could be held against; by
    stores with the JSON document only."""

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> Record:
        """Read option texts as an INI file or a JSON document holds them; unknown names and empty texts are left out.

        Raises:
            ValueError: a number is not a number; the message names the option, not the value.
        """
        values: dict[str, str | int | None] = {}
        for name in RECORD_OPTIONS:
            text = options.get(name) or None
            if text is not None and name in _NUMBERS:
                try:
                    # The classic proxy's files may hold a float here.
                    values[name] = int(float(text))
                except (ValueError, OverflowError):
                    raise ValueError(f"{name} is not a number") from None
            else:
                values[name] = text
        return cls(**values)  # type: ignore[arg-type]

    def to_options(self, names: Collection[str] | None = None) -> dict[str, str]:
        """The inverse of `from_options`: all values texts, absent ones left out; of `names` only, if they are given."""
        pairs = ((name, getattr(self, name)) for name in RECORD_OPTIONS if names is None or name in names)
        return {name: str(value) for name, value in pairs if value is not None}


RECORD_OPTIONS: Final[tuple[str, ...]] = tuple(f.name for f in fields(Record))
"""All that a record may hold, under the names that the JSON document uses."""

CACHED_OPTIONS: Final[tuple[str, ...]] = tuple(
    name for name in RECORD_OPTIONS if name not in ("refresh_token_issued", "password_check")
)
"""What the configuration file, a file of its own and the classic proxy's document may hold: the only option names that
the proxy ever writes there. The two of the lease appear only where an account's refresh tokens may be used once, the
last three only of managed accounts."""

_NUMBERS: Final = frozenset(
    {"token_iterations", "access_token_expiry", "last_activity", "refresh_token_issued", "lease_until"}
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as read, with the version to give to the next `CacheStore.save`."""

    record: Record
    version: Version


class StoreError(ProxyError):
    """Root of what a store raises. The message names the store's address and what to do; never a secret."""


class StoreAddressError(StoreError):
    """The address (URI) is malformed, its prefix unknown, or the extra it needs is not installed."""


class StoreUnavailableError(StoreError):
    """Could not read or write now (network, lock, disk full); the same call may work later. Nothing changed."""


class StoreDeniedError(StoreError):
    """The identity in use lacks a permission; a person must grant it."""


class StoreContentError(StoreError):
    """What is stored is unreadable or foreign. It is left as it is, never overwritten."""


class StoreConflictError(StoreError):
    """The record changed since the expected version; read again."""


class StoreTooLargeError(StoreError):
    """The record exceeds the service's limit, which the message gives. The old record stays."""


class CacheStore(Protocol):
    """One sealed record per account.

    Implementations block; `emailproxy.store.cached.CachedStore` calls them in worker threads, several at once, so they
    must be thread-safe. Account names are texts without CR, LF or NUL, told apart exactly as given (a store whose own
    names ignore case must keep them apart by other means, or fold them consistently for reading and writing). A name
    that UTF-8 cannot hold (a lone surrogate) has no record unless the store can save it.

    Three attributes are optional. ``blocks = False``: no call ever waits, so none needs a thread. ``bills_writes =
    True``: each write makes a version that is billed, or kept for ever; whoever writes should do it seldom.
    ``deletion`` is a clause for a person who is about to `delete`: what becomes of the record.
    """

    @property
    def address(self) -> str:
        """The store's address for logs and messages; contains no secret."""
        ...

    def load(self, account: str) -> Stored | None:
        """The account's record, or None if it certainly has none.

        Raises:
            StoreError: could not tell.
        """
        ...

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the account's record if its version still is `expected` (None: if there is none yet).

        Durable when it returns. Raises StoreConflictError if the version is another, and then, as with every other
        StoreError, the old record is untouched.
        """
        ...

    def delete(self, account: str) -> bool:
        """Remove the account's record, whatever its version, for a person who asked for it; False if there is none.

        Afterwards `load` answers None, a `save` that expects None begins anew, and one that expects a version from
        before is a conflict. What is kept under the account's name and is not the proxy's stays; so do other accounts.

        Raises:
            StoreError: it is not certain that the record is gone.
        """
        ...

    def accounts(self) -> list[str]:
        """The names of the accounts that have a record, sorted.

        Raises:
            StoreError: could not tell.
        """
        ...

    def close(self) -> None:
        """Release connections and files. Calling it twice is harmless."""
        ...


StoreFactory = Callable[[str], CacheStore]
"""What an entry point of the group ``emailproxy.stores`` loads: address without the prefix -> store.

It raises StoreAddressError for a malformed address and does no I/O beyond opening; SDKs are imported here.
"""
