"""What did a replica do with the store before it was killed? A line for each event, in a file that outlives it.

The store itself is the real one, behind its real asynchronous face; `Witness` stands between the two, hands every call
on, and writes down how it ended.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path

from emailproxy.store.base import CacheStore, Record, StoreConflictError, Stored, StoreError, Version

__all__ = ["Ledger", "Witness", "read_ledger"]


class Ledger:
    """A file that one process appends to. What is in it is in the kernel's hands: SIGKILL does not take it back."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, event: str, account: str, detail: str = "") -> None:
        """Append one event, in one write."""
        os.write(self._file, (json.dumps([event, account, detail]) + "\n").encode())


def read_ledger(path: Path) -> list[tuple[str, str, str]]:
    """All events (event, account, detail)."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines()
    return [(event, account, detail) for event, account, detail in map(json.loads, lines)]


class Witness:
    """A `CacheStore` that hands everything on to another one, and writes down what came of it."""

    def __init__(self, store: CacheStore, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self.blocks = bool(getattr(store, "blocks", True))
        self.bills_writes = bool(getattr(store, "bills_writes", False))
        self._leases: Counter[str] = Counter()
        self._turns: dict[str, int] = {}
        """When our turns end, by account."""

    @property
    def address(self) -> str:
        return self._store.address

    def load(self, account: str) -> Stored | None:
        stored = self._store.load(account)
        owner, until = _lease(stored.record) if stored is not None else (None, 0)
        if owner is not None and until > time.time() and not self._leases[owner]:
            self._ledger.write("busy", account, owner)
        return stored

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        owner, until = _lease(record)
        if owner is not None:
            self._leases[owner] += 1  # ours: no other's turn is in our way when we read it again
        turn = self._turns.pop(account, None)
        if owner is not None:
            self._turns[account] = until
        begun = time.monotonic()
        try:
            version = self._store.save(account, record, expected)
        except StoreConflictError:
            self._ledger.write("conflict", account)
            raise
        except StoreError as error:
            self._ledger.write("failed", account, str(error))
            raise
        finally:
            if turn is not None and time.time() > turn:
                self._ledger.write("late", account)  # its turn was over when this was stored
        self._ledger.write("saved", account, record.refresh_token or "")
        self._ledger.write("seconds", account, f"{time.monotonic() - begun:.4f}")
        return version

    def delete(self, account: str) -> bool:
        return self._store.delete(account)

    def accounts(self) -> list[str]:
        return self._store.accounts()

    def close(self) -> None:
        self._store.close()


def _lease(record: Record) -> tuple[str | None, int]:
    return getattr(record, "lease_owner", None), getattr(record, "lease_until", None) or 0
