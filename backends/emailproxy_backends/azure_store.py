"""How are records kept in Azure Key Vault? One secret per account, compared before each write and after it.

Key Vault has no conditional write. Within one `AzureStore` writes of one account wait for each other, and the
comparison is exact. Between processes it is not: see `AzureStore.save`, and ``?lease=`` for a guarantee.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol

from azure.core.exceptions import AzureError

from emailproxy.store.base import (
    Record,
    StoreConflictError,
    Stored,
    StoreUnavailableError,
    Version,
)
from emailproxy.store.document import account_hash, check_ours, decode, encode
from emailproxy_backends.azure_address import VaultAddress
from emailproxy_backends.azure_calls import Calls, Deadline

__all__ = ["SETTLING", "AzureStore"]

logger = logging.getLogger("emailproxy.store")

VALUE_LIMIT: Final = 25_600
"""Octets of a secret's value: the service's 25 KB."""
READ_SECONDS: Final = 8.0
"""For a load: less than the 10 s after which nobody waits any more."""
LIST_SECONDS: Final = 280.0
"""For a listing, which reads every document: less than the 300 s after which nobody waits any more."""
WRITE_SECONDS: Final = 13.0
"""For a save: less than the 15 s after which nobody waits any more."""
SETTLING: Final = 0.25
"""Seconds between a write and the second comparison. A writer that compared before our write has written by then, if it
took no longer than this; then it is we who learn that we were overwritten."""
STRIPES: Final = 64
"""Locks, shared by the accounts: so many accounts can be written at once, more than there are writing threads."""
READERS: Final = 8
"""Threads that read documents for `AzureStore.accounts`."""

CHAIN: Final = 16
"""How many versions on top of ours are followed down to it; others wrote them within `SETTLING`."""
REPLACES: Final = "replaces"
"""The tag that names the version that a writer compared with; tells a successor of ours from a competitor's version."""

_ABSENT: Final = frozenset({"SecretNotFound"})
_DELETED: Final = frozenset({"ObjectIsDeletedButRecoverable"})


class _Properties(Protocol):
    @property
    def name(self) -> str | None: ...
    @property
    def version(self) -> str | None: ...
    @property
    def enabled(self) -> bool | None: ...
    @property
    def tags(self) -> dict[str, str] | None: ...


class _Secret(Protocol):
    @property
    def value(self) -> str | None: ...
    @property
    def properties(self) -> _Properties: ...


class _Client(Protocol):
    """The six calls of the SDK's SecretClient that are used here."""

    def get_secret(self, name: str, **kwargs: Any) -> _Secret: ...
    def set_secret(self, name: str, value: str, **kwargs: Any) -> _Secret: ...
    def begin_delete_secret(self, name: str, **kwargs: Any) -> object: ...
    def begin_recover_deleted_secret(self, name: str, **kwargs: Any) -> object: ...
    def list_properties_of_secrets(self, **kwargs: Any) -> Iterator[_Properties]: ...
    def close(self) -> None: ...


class _Closing(Protocol):
    def close(self) -> None: ...


class _Lease(Protocol):
    def held(self, name: str, deadline: Deadline) -> AbstractContextManager[None]: ...


class AzureStore:
    """A `CacheStore` in a Key Vault; threads share it, processes share the vault.

    Args:
        address: what the ``azure:`` address says.
        client: the SDK's SecretClient for that vault.
        calls: makes the calls.
        lease: puts the writers of all processes in order, if the address asks for it.
        closing: what else to close with the store.
        settling: see `SETTLING`.
    """

    bills_writes = True
    """The service keeps each version for ever, and backs up no secret with more than 500."""
    deletion = "Key Vault keeps it for the vault's retention period (7 to 90 days), to recover or purge"

    def __init__(
        self,
        address: VaultAddress,
        client: _Client,
        calls: Calls,
        *,
        lease: _Lease | None = None,
        closing: tuple[_Closing, ...] = (),
        settling: float = SETTLING,
    ) -> None:
        self._address = address
        self._client = client
        self._calls = calls
        self._lease = lease
        self._closing = closing
        self._settling = settling
        self._writing = tuple(threading.Lock() for _ in range(STRIPES))
        # Whose a secret is never changes, so each document is read for its name once.
        self._owners: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<AzureStore {self.address}>"

    @property
    def address(self) -> str:
        """``azure:https://HOST/PREFIX``."""
        return self._address.text

    def load(self, account: str) -> Stored | None:
        """The account's record.

        Raises:
            StoreDeniedError: the identity may not read, or the secret is disabled.
            StoreContentError: the secret is not ours, or damaged.
            StoreUnavailableError: the vault is away, or throttles for longer than we can wait.
        """
        return self._stored(account, self._get(self._address.secret(account), Deadline(READ_SECONDS)))

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the account's record if its version still is `expected`.

        Compares, writes, and looks again after `SETTLING`. If another process compared with the same version as we did,
        the last one to write wins, and the other one gets the conflict. Only if the last one took longer than
        `SETTLING` from its comparison to its write do both believe that they won, and the earlier record is lost. With
        a lease there is one writer at a time, and nothing of this happens.

        A deleted secret of that name is recovered first, which may take some seconds.

        Raises:
            StoreTooLargeError: the record does not fit; nothing was sent.
            StoreConflictError: the secret has another version; or it had the expected one, and while we wrote another
                process did, and its record stands.
            StoreDeniedError: the identity may not read, write, recover or lease.
            StoreContentError: what is there is not ours.
            StoreUnavailableError: as `load`. The write may have been carried out all the same if its answer got lost.
        """
        text = encode(account, record, limit=VALUE_LIMIT, where=self.address)
        name = self._address.secret(account)
        deadline = Deadline(WRITE_SECONDS)
        with self._alone(name, deadline):
            current = self._get(name, deadline)
            # Also for its refusal to overwrite what is not ours.
            stored = self._stored(account, current)
            if (stored.version if stored else None) != expected:
                raise self._conflict(account)
            if stored is not None and current is not None and current.value == text:
                return stored.version
            version = self._written(account, name, text, expected, deadline)
            if self._lease is None:
                self._settle(account, name, version, expected, deadline)
            return version

    def delete(self, account: str) -> bool:
        """Remove the account's secret, with all its versions, as the vault's soft delete does.

        It can be recovered until the vault purges it, and a later save does that. Purging is not ours to do. Writers of
        other machines are kept away by a lease only.

        Raises:
            StoreDeniedError: the identity may not delete (which nothing else needs), read or lease.
            StoreContentError: what is there is not ours; it stays.
            StoreUnavailableError: as `load`. It may have been carried out all the same if its answer got lost.
        """
        name = self._address.secret(account)
        deadline = Deadline(WRITE_SECONDS)
        with self._alone(name, deadline):
            current = self._get(name, deadline)
            if current is None:
                return False
            check_ours(account, current.value or "", where=self.address)
            # Gone by now: another process was faster, or the answer to our first attempt got lost.
            with contextlib.suppress(AzureError):
                self._calls.make(
                    "deleted",
                    lambda seconds: self._client.begin_delete_secret(
                        name, connection_timeout=seconds, read_timeout=seconds
                    ),
                    deadline,
                    answers=_ABSENT,
                )
            return True

    def accounts(self) -> list[str]:
        """The names of the accounts that have a secret, sorted; read from the documents, since names are hashes.

        Account names are not put into tags, where everyone who may list the vault could read them.

        Raises:
            StoreDeniedError: the identity may not list (which nothing else needs), or not read.
            StoreUnavailableError: as `load`.
        """
        deadline = Deadline(LIST_SECONDS)
        names = self._calls.make("listed", lambda seconds: self._names(seconds, deadline), deadline)
        with ThreadPoolExecutor(READERS, thread_name_prefix="azure-accounts") as threads:
            owners = threads.map(lambda name: self._owner(name, deadline), names)
            return sorted(owner for owner in owners if owner is not None)

    def close(self) -> None:
        """Close the connections."""
        for resource in (*self._closing, self._client):
            resource.close()

    @contextlib.contextmanager
    def _alone(self, name: str, deadline: Deadline) -> Iterator[None]:
        """Let nobody else of this process write the secret; with a lease, nobody at all."""
        lock = self._writing[zlib.crc32(name.encode()) % STRIPES]
        if not lock.acquire(timeout=max(deadline.left, 0)):
            raise StoreUnavailableError(f"{self.address}: earlier writes take too long; no answer in time")
        try:
            with self._lease.held(name, deadline) if self._lease is not None else nullcontext():
                yield
        finally:
            lock.release()

    def _get(self, name: str, deadline: Deadline, version: str | None = None) -> _Secret | None:
        try:
            return self._calls.make(
                "read",
                lambda seconds: self._client.get_secret(
                    name, version=version, connection_timeout=seconds, read_timeout=seconds
                ),
                deadline,
                answers=_ABSENT,
            )
        except AzureError:
            return None

    def _stored(self, account: str, secret: _Secret | None) -> Stored | None:
        if secret is None:
            return None
        return Stored(decode(account, secret.value or "", where=self.address), _version(secret))

    def _written(self, account: str, name: str, text: str, expected: Version | None, deadline: Deadline) -> Version:
        def put(seconds: float) -> Version:
            secret = self._client.set_secret(
                name,
                text,
                content_type="application/json",
                tags={REPLACES: expected or "nothing"},
                connection_timeout=seconds,
                read_timeout=seconds,
            )
            return _version(secret)

        def landed() -> Version | None:
            current = self._get(name, deadline)
            if current is not None and current.value == text:
                return _version(current)
            if (_version(current) if current is not None else None) != expected:
                raise self._conflict(account)
            return None

        try:
            return self._calls.make("written", put, deadline, answers=_DELETED, landed=landed)
        except AzureError:
            if expected is not None:
                # Deleted since we compared.
                raise self._conflict(account) from None
            logger.warning("%s: the secret of %s was deleted; recovering it to write it", self.address, account)
        self._recover(name, deadline)
        return self._calls.make("written", put, deadline)

    def _recover(self, name: str, deadline: Deadline) -> None:
        """Bring a deleted secret back and wait until it can be read."""
        # Another process may have been faster: then it is under way, or no longer deleted.
        with contextlib.suppress(AzureError):
            self._calls.make(
                "recovered",
                lambda seconds: self._client.begin_recover_deleted_secret(
                    name, connection_timeout=seconds, read_timeout=seconds
                ),
                deadline,
                answers=_ABSENT | {"ObjectIsBeingRecovered"},
            )
        while self._get(name, deadline) is None:
            time.sleep(max(0.0, min(0.5, deadline.left)))

    def _settle(self, account: str, name: str, ours: Version, expected: Version | None, deadline: Deadline) -> None:
        """Look again: do all versions since `expected` go back to ours, so that whoever wrote them had read it?"""
        time.sleep(self._settling)
        newest: str | None = None
        try:
            for _ in range(CHAIN):
                secret = self._get(name, deadline, newest)
                if secret is not None and _version(secret) == ours:
                    return
                newest = (secret.properties.tags or {}).get(REPLACES) if secret is not None else None
                if newest is None or newest == (expected or "nothing"):
                    break
        except StoreUnavailableError as error:
            # It is written; whether somebody overwrote it is what the next save will see.
            logger.warning("%s: the record of %s is written, but not compared again (%s)", self.address, account, error)
            return
        raise self._conflict(account)

    def _names(self, seconds: float, deadline: Deadline) -> list[str]:
        """The names of the enabled secrets that can be ours."""
        ours, length = f"{self._address.prefix}-", len(self._address.secret(""))
        names = []
        for found in self._client.list_properties_of_secrets(connection_timeout=seconds, read_timeout=seconds):
            if deadline.left <= 0:
                raise StoreUnavailableError(f"{self.address}: the list of secrets takes too long; no answer in time")
            name = (found.name or "").lower()
            if not name.startswith(ours) or len(name) != length:
                continue
            if found.enabled is False:
                logger.warning("%s: the secret %s is disabled and was left out of the list", self.address, name)
                continue
            names.append(name)
        return names

    def _owner(self, name: str, deadline: Deadline) -> str | None:
        """Whose the secret is, by its document; None if it is not ours, or gone."""
        if (known := self._owners.get(name)) is not None:
            return known
        secret = self._get(name, deadline)
        if secret is None:
            return None
        account: object = None
        with contextlib.suppress(ValueError, TypeError, KeyError):
            account = json.loads(secret.value or "")["account"]
        if not isinstance(account, str) or account_hash(account) != name.rpartition("-")[2]:
            logger.warning("%s: the secret %s was not written by emailproxy", self.address, name)
            return None
        self._owners[name] = account
        return account

    def _conflict(self, account: str) -> StoreConflictError:
        return StoreConflictError(f"{self.address}: the record of {account} changed meanwhile; read it again")


def _version(secret: _Secret) -> Version:
    return Version(secret.properties.version or "")
