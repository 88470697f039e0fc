"""How do tasks use a store that blocks? In worker threads, each call with a deadline, equal reads as one.

What memory is for
    A read always asks the store: another process may have written, and a store such as a file answers a repeated
    question cheaply. Memory holds the last good answer of each account for one purpose: it serves when a read *fails*.
    Reads of one account that overlap in time are one read; a read that begins after a save never gets an older answer.

A failed read never leads to a write: after one, `CachedStore.save` first reads again, and refuses if that fails too. No
task runs outside the calls made here; a thread that outlives its deadline is left to the store's own time limits, and
what it brings is dropped.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

import trio

from emailproxy.store.base import (
    CacheStore,
    Record,
    StoreConflictError,
    Stored,
    StoreError,
    StoreUnavailableError,
    Version,
)
from emailproxy.store.health import HealthRecorder, StoreHealth

__all__ = ["LIST_DEADLINE", "READ_DEADLINE", "WRITE_DEADLINE", "CachedStore"]

logger = logging.getLogger("emailproxy.store")

READ_DEADLINE: Final = 10.0
"""Seconds for a read: a mail client waits for it, and gives up after 30 to 60."""
WRITE_DEADLINE: Final = 15.0
"""Seconds for a write: longer, since a refresh token that is lost may cost a new consent."""
LIST_DEADLINE: Final = 300.0
"""Seconds for a list of the accounts, which no mail client waits for: services list page by page, and Key Vault's
documents are read one by one for the names in them."""
# Threads per store; more would only queue in the services' connection pools.
READERS: Final = 8
# Apart from the readers, so that reads which hang cannot keep a rotated token from being written.
WRITERS: Final = 4
# Last good answers kept. A record with Microsoft's tokens has up to 10 KB, so this is 40 MB at the most.
REMEMBERED: Final = 4096

T = TypeVar("T")


class _Flight:
    """One read under way, and who waits for it."""

    __slots__ = ("done", "failure", "landed", "stored")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.landed = False
        """False when `done`: whoever read was cancelled, and one of the others must read."""
        self.stored: Stored | None = None
        self.failure: StoreError | None = None


class CachedStore:
    """The async face of a `CacheStore`. Use it from one trio run; close it with `aclose`.

    A store whose calls never block (one in memory, for tests) may say so by an attribute ``blocks = False``; then no
    thread is used, which keeps virtual clocks exact.
    """

    def __init__(self, store: CacheStore) -> None:
        self._store = store
        self._in_threads = bool(getattr(store, "blocks", True))
        self._readers = trio.CapacityLimiter(READERS)
        self._writers = trio.CapacityLimiter(WRITERS)
        self._flights: dict[str, _Flight] = {}
        self._last_good: OrderedDict[str, Stored | None] = OrderedDict()
        # Accounts whose last read failed, or whose last write has an unknown outcome.
        self._unsure: OrderedDict[str, None] = OrderedDict()
        # Counts the writes, so that a read which began before one does not pass for the last good answer after it.
        self._epoch = 0
        self._books = HealthRecorder()
        self._called = trio.Event()
        self._closed = False

    def __repr__(self) -> str:
        return f"<CachedStore {self.address}>"

    @property
    def address(self) -> str:
        """The store's address."""
        return self._store.address

    @property
    def bills_writes(self) -> bool:
        """Each write makes a version that is billed, or kept for ever."""
        return bool(getattr(self._store, "bills_writes", False))

    @property
    def deletion(self) -> str:
        """What becomes of a record that is deleted, a clause for people; empty if the store does not say."""
        return str(getattr(self._store, "deletion", ""))

    @property
    def health(self) -> StoreHealth:
        """Whether the store answers, since when, and how often it was asked."""
        return self._books.health

    @property
    def last_good(self) -> Mapping[str, Stored | None]:
        """What was last read or written of each account, without asking: as old as the last call for it."""
        return MappingProxyType(self._last_good)

    async def called(self) -> None:
        """Wait until the next call of the store has ended, well or not."""
        await self._called.wait()

    async def load(self, account: str) -> Stored | None:
        """The account's record, or None if it certainly has none; the last good answer if the store cannot tell now.

        Raises:
            StoreError: the store could not tell, and there is no last good answer.
        """
        try:
            return await self._read_together(account)
        except StoreError as error:
            if account not in self._last_good:
                raise
            logger.warning("%s: using what was last read for %s (%s)", self.address, account, error)
            return self._last_good[account]

    async def load_fresh(self, account: str) -> Stored | None:
        """The account's record as the store has it now: no last good answer, no read that began earlier.

        Raises:
            StoreError: the store could not tell.
        """
        return await self._read(account)

    async def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the account's record if its version still is `expected`; durable when it returns.

        Not cancelled once begun, and bounded by its own deadline: a token that the provider rotated is not lost because
        a client hung up.

        Raises:
            StoreConflictError: the record changed; `load_fresh` it.
            StoreUnavailableError: also when the deadline passed; then the write may still happen, and the next `save`
                reads first.
            StoreError: as `CacheStore.save`.
        """
        with trio.CancelScope(shield=True):
            if account in self._unsure:
                stored = await self._read(account)
                if (stored.version if stored else None) != expected:
                    raise StoreConflictError(f"{self.address}: the record of {account} changed; read it again")
            # Only a clean answer, yes or no, makes the state of the record certain again.
            self._doubt(account)
            try:
                version = await self._call(
                    lambda: self._store.save(account, record, expected), WRITE_DEADLINE, self._writers, "write"
                )
            finally:
                # What was read before this point may be older than what was written.
                self._epoch += 1
                self._flights.pop(account, None)
        self._remember(account, Stored(record, version))
        return version

    async def delete(self, account: str) -> bool:
        """Remove the account's record, whatever its version; False if there is none. Not cancelled once begun.

        Raises:
            StoreUnavailableError: also when the deadline passed; then it may still happen, and the next `save` reads
                first.
            StoreError: as `CacheStore.delete`.
        """
        with trio.CancelScope(shield=True):
            self._doubt(account)
            try:
                existed = await self._call(
                    lambda: self._store.delete(account), WRITE_DEADLINE, self._writers, "deletion"
                )
            finally:
                self._epoch += 1
                self._flights.pop(account, None)
        self._remember(account, None)
        return existed

    async def accounts(self) -> list[str]:
        """The names of the accounts that have a record, sorted.

        Raises:
            StoreError: the store could not tell.
        """
        return await self._call(self._store.accounts, LIST_DEADLINE, self._readers, "list")

    async def aclose(self) -> None:
        """Close the store, even when cancelled. Calling it twice is harmless."""
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        self._closed = True
        with trio.CancelScope(shield=True):
            await self._attempt(self._store.close, WRITE_DEADLINE, self._writers, "close")

    async def _read_together(self, account: str) -> Stored | None:
        while True:
            flight = self._flights.get(account)
            if flight is None:
                return await self._lead(account)
            await flight.done.wait()
            if flight.failure is not None:
                raise flight.failure
            if flight.landed:
                return flight.stored

    async def _lead(self, account: str) -> Stored | None:
        flight = self._flights[account] = _Flight()
        try:
            flight.stored = await self._read(account)
            flight.landed = True
        except StoreError as error:
            flight.failure = error
            raise
        finally:
            if self._flights.get(account) is flight:
                del self._flights[account]
            flight.done.set()
        return flight.stored

    async def _read(self, account: str) -> Stored | None:
        epoch = self._epoch
        try:
            stored = await self._call(lambda: self._store.load(account), READ_DEADLINE, self._readers, "read")
        except StoreError:
            self._doubt(account)
            raise
        if epoch == self._epoch:
            self._remember(account, stored)
        return stored

    async def _call(self, function: Callable[[], T], seconds: float, limiter: trio.CapacityLimiter, what: str) -> T:
        self._books.begun(wrote=limiter is self._writers)
        try:
            result = await self._attempt(function, seconds, limiter, what)
        except StoreError as error:
            self._books.failed(error)
            raise
        finally:
            called, self._called = self._called, trio.Event()
            called.set()
        self._books.answered()
        return result

    async def _attempt(self, function: Callable[[], T], seconds: float, limiter: trio.CapacityLimiter, what: str) -> T:
        if not self._in_threads:
            await trio.lowlevel.checkpoint()
            return function()
        try:
            with trio.fail_after(seconds):
                return await trio.to_thread.run_sync(function, limiter=limiter, abandon_on_cancel=True)
        except trio.TooSlowError:
            raise StoreUnavailableError(f"{self.address}: no answer to a {what} within {seconds:.0f} s") from None

    def _remember(self, account: str, stored: Stored | None) -> None:
        self._unsure.pop(account, None)
        self._last_good[account] = stored
        self._last_good.move_to_end(account)
        if len(self._last_good) > REMEMBERED:
            self._last_good.popitem(last=False)

    def _doubt(self, account: str) -> None:
        # Bounded like the answers: with a catch-all account strangers choose the names, and a store may be down long.
        self._unsure[account] = None
        self._unsure.move_to_end(account)
        if len(self._unsure) > REMEMBERED:
            self._unsure.popitem(last=False)
