"""What is the smallest store that keeps the contract? One in memory, which tests can also make fail."""

from __future__ import annotations

import hashlib
import json
import threading

from emailproxy.store.base import Record, StoreConflictError, Stored, StoreError, Version

__all__ = ["MemoryStore"]


class MemoryStore:
    """A `CacheStore` for tests, thread-safe. `shared_with` another one, it shows the same records, as a second process.

    Set `bills_writes` to make it look like a secret manager. Set `read_failure` or `write_failure` to an error, and
    every read or write raises it; `reads` and `writes` count the calls.
    """

    blocks = False
    """Its calls return at once: `emailproxy.store.cached.CachedStore` needs no thread for them."""
    bills_writes = False
    """Its writes are free."""

    def __init__(self, shared_with: MemoryStore | None = None) -> None:
        self.records: dict[str, Record] = {} if shared_with is None else shared_with.records
        self.lock: threading.Lock = threading.Lock() if shared_with is None else shared_with.lock
        self.read_failure: StoreError | None = None
        self.write_failure: StoreError | None = None
        self.reads = 0
        self.writes = 0

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self.records)}>"

    @property
    def address(self) -> str:
        """``memory:``."""
        return "memory:"

    def load(self, account: str) -> Stored | None:
        """The account's record, or None."""
        with self.lock:
            self.reads += 1
            if self.read_failure is not None:
                raise self.read_failure
            return self._stored(account)

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the account's record if its version is `expected`."""
        with self.lock:
            self.writes += 1
            if self.write_failure is not None:
                raise self.write_failure
            stored = self._stored(account)
            if (stored.version if stored else None) != expected:
                raise StoreConflictError(f"{self.address}: the record of {account} changed meanwhile; read it again")
            self.records[account] = record
            return _version(record)

    def delete(self, account: str) -> bool:
        """Remove the account's record."""
        with self.lock:
            self.writes += 1
            if self.write_failure is not None:
                raise self.write_failure
            return self.records.pop(account, None) is not None

    def accounts(self) -> list[str]:
        """The names of the accounts, sorted."""
        with self.lock:
            if self.read_failure is not None:
                raise self.read_failure
            return sorted(self.records)

    def close(self) -> None:
        """Nothing is open."""

    def _stored(self, account: str) -> Stored | None:
        record = self.records.get(account)
        return Stored(record, _version(record)) if record is not None else None


def _version(record: Record) -> Version:
    return Version(hashlib.sha256(json.dumps(record.to_options(), sort_keys=True).encode()).hexdigest())
