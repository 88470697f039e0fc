"""How do tokens get into the store before they are used, whatever the store and other writers do meanwhile?

The order is the point: a provider that rotates refresh tokens has declared the old one dead when it answered, so the
new one is saved before the new access token goes anywhere. What happens when the save fails is a choice between two
harms. To refuse the login would not bring the old token back, and a full disk would end all mail within the hour; to
go on risks one new authorisation, and only if this process dies before the store works again. So the login goes on
with the token in hand, the record stays in memory as the truth, the log says so as an error, and the save is tried
again with growing pauses until it works or is overtaken, and once more on the way out.

A store that bills each write gets fewer (`emailproxy.oauth.writing`); what it does not have yet is then *deferred*.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

import trio

from emailproxy.config.model import RefreshTokens
from emailproxy.oauth.counting import Holding
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.opened import Lease, Opened, lease_in
from emailproxy.oauth.unsaved import Reopen, Unsaved
from emailproxy.oauth.writing import Urgency, urgency
from emailproxy.secret import Secret
from emailproxy.status import UnsavedAccount
from emailproxy.store.base import Record, StoreConflictError, Stored, StoreError, Version

__all__ = ["Keeper", "Order", "Records", "SupersededError"]

log = logging.getLogger("emailproxy.oauth")

MAX_CONFLICTS: Final = 5
"""Other writers in a row: replicas refresh an account once an hour each, so three at once is much."""
FLUSHERS: Final = 4
"""Deferred records written at a time on the way out: the threads that `CachedStore` writes with."""
FLUSH_SECONDS: Final = 10.0
"""How long deferred ones are written on the way out: less than containers get before they are killed. Those that are
left cost nothing: the refresh tokens in the store are valid."""


class Records(Protocol):
    """The store's asynchronous face (`emailproxy.store.cached.CachedStore`)."""

    @property
    def bills_writes(self) -> bool:
        """Whether each write makes a version that is billed or kept for ever."""
        ...

    async def load(self, account: str) -> Stored | None:
        """The record, perhaps as it was a moment ago. Raises StoreError."""
        ...

    async def load_fresh(self, account: str) -> Stored | None:
        """The record as it is now. Raises StoreError."""
        ...

    async def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the record. Owns its deadline and is not cut off by cancellation. Raises StoreError."""
        ...


class SupersededError(Exception):
    """Somebody else has stored newer tokens that our password does not open: the mail password was changed."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a record is to be kept."""

    kind: RefreshTokens
    """How the provider's refresh tokens behave."""
    client_secret: Secret | None = None
    """Seal this as the record's client secret."""
    replaces: bool = False
    """A person decided it: overwrite whatever is there."""
    at_once: bool = False
    """Do not defer it: what the store has was refused by the provider."""


class Keeper:
    """Holds the latest opened record of every account, and sees to it that the store gets it.

    Args:
        records: the store.
        nursery: where saves that failed are tried again.
        now: Unix time.
    """

    def __init__(
        self,
        records: Records,
        nursery: trio.Nursery,
        now: Callable[[], float],
    ) -> None:
        self._records = records
        self._nursery = nursery
        self._now = now
        self._latest: dict[str, Opened] = {}
        self._deferred: set[str] = set()
        self._unsaved: dict[str, Unsaved] = {}
        self._locks: dict[str, trio.Lock] = {}
        self._retrying: set[str] = set()

    @property
    def unsaved(self) -> tuple[UnsavedAccount, ...]:
        """The accounts whose new tokens could not be stored yet."""
        return tuple(entry.told(account) for account, entry in self._unsaved.items())

    @property
    def deferred(self) -> int:
        """How many accounts have a newer refresh token than the store, on purpose."""
        return len(self._deferred)

    @property
    def refused(self) -> dict[str, str]:
        """The accounts whose refresh token the provider refused for good, and why."""
        return {account: opened.dead for account, opened in self._latest.items() if opened.dead}

    def holdings(self) -> list[Holding]:
        """What is held in memory, account by account."""
        return [
            Holding(
                opened.base.sealed_by is not None,
                opened.access.expires_at if opened.access is not None else None,
                opened.issued if opened.refresh is not None else None,
            )
            for opened in self._latest.values()
        ]

    def latest(self, account: str) -> Opened | None:
        """What is held in memory, if anything."""
        return self._latest.get(account)

    def hold(self, account: str, opened: Opened) -> None:
        """Remember `opened`, which is what the store has, or better."""
        self._latest[account] = opened
        (self._deferred.add if opened.deferred else self._deferred.discard)(account)

    def forget(self, account: str) -> None:
        """The store has no record (any more), or one that another password seals."""
        self._latest.pop(account, None)
        self._deferred.discard(account)
        self._unsaved.pop(account, None)

    async def keep(self, account: str, opened: Opened, reopen: Reopen, order: Order) -> Opened:
        """Store `opened`; what is held afterwards, which is a newer record if another replica stored one.

        Not cut off by cancellation: after the provider answered, nothing may come between the tokens and the store.

        Args:
            account: whose record it is.
            opened: the new tokens.
            reopen: opens what another writer stored.
            order: how.

        Raises:
            SupersededError: the mail password was changed elsewhere; `opened` was not stored.
        """
        with trio.CancelScope(shield=True):
            async with self._locks.setdefault(account, trio.Lock()):
                return await self._keep(account, opened, reopen, order)
        raise AssertionError("a shield swallows nothing")

    async def _keep(self, account: str, opened: Opened, reopen: Reopen, order: Order) -> Opened:
        opened = replace(opened, client_secret=order.client_secret or opened.client_secret)
        if self._records.bills_writes:
            now = self._now()
            when = urgency(opened, opened.sealed(now=now, client_secret=None), order.kind, now)
            if when is Urgency.NEVER or (when is Urgency.LATER and not (order.at_once or order.replaces)):
                opened = replace(opened, deferred=when is Urgency.LATER)
                self.hold(account, opened)
                return opened
        try:
            return await self._save(account, opened, reopen, replaces=order.replaces)
        except StoreError as error:
            log.error(
                "account %s: new tokens could not be stored and are kept in memory, which a restart would lose; "
                "trying again until it works: %s",
                foreign(account),
                foreign(error),
            )
            since = self._unsaved[account].since if account in self._unsaved else self._now()
            entry = Unsaved(reopen, order.replaces, order.kind, since)
            entry.failed(error)
        self._unsaved[account] = entry
        kept = replace(opened, unsaved=True, deferred=False)
        self.hold(account, kept)
        if account not in self._retrying:
            self._retrying.add(account)
            self._nursery.start_soon(self._retry, account)
        return kept

    async def _save(self, account: str, opened: Opened, reopen: Reopen, *, replaces: bool) -> Opened:
        for _ in range(MAX_CONFLICTS):
            record = opened.sealed(now=self._now(), client_secret=None)
            try:
                version = await self._records.save(account, record, opened.version)
            except StoreConflictError:
                fresh = await self._records.load_fresh(account)
                if fresh is None:
                    opened = replace(opened, version=None)
                    continue
                converted = fresh.record.sealed_by != record.sealed_by
                theirs = await reopen(fresh) if not replaces or record.sealed_by is not None else None
                if theirs is not None and (converted or record.sealed_by is not None):
                    # Their way to seal, and their app passwords, of which one may have been revoked just now.
                    opened = replace(opened, digest=theirs.digest, key=theirs.key, passwords=theirs.passwords)
                elif converted:
                    self.forget(account)
                    raise SupersededError from None
                if not replaces:
                    if _supersedes(fresh.record, record, opened.base):
                        if theirs is None:
                            self.forget(account)
                            raise SupersededError from None
                        log.info("account %s: another process stored newer tokens, using them", foreign(account))
                        self._unsaved.pop(account, None)
                        theirs = theirs.joined(replace(opened, deferred=False), self._now())
                        self.hold(account, theirs)
                        return theirs
                    if theirs is not None and opened.client_secret is None:
                        opened = replace(opened, client_secret=theirs.client_secret)
                if record.refresh_token == opened.base.refresh_token:
                    # Nothing of ours ends anybody's turn.
                    opened = replace(opened, lease=lease_in(fresh.record))
                opened = replace(opened, version=fresh.version)
            else:
                kept = replace(opened, base=record, version=version, unsaved=False, deferred=False)
                self.hold(account, kept)
                self._unsaved.pop(account, None)
                return kept
        raise StoreConflictError(f"the record changed {MAX_CONFLICTS} times while it was saved")

    async def lease(self, account: str, opened: Opened, lease: Lease | None) -> Opened:
        """Write `lease` into the record that `opened` was read from; what is held afterwards. Not cut off.

        Raises:
            StoreConflictError: the record is another by now.
            StoreError: it cannot be written.
        """
        with trio.CancelScope(shield=True):
            async with self._locks.setdefault(account, trio.Lock()):
                leased = replace(opened, lease=lease)
                record = leased.sealed(now=self._now(), client_secret=None)
                version = await self._records.save(account, record, opened.version)
                leased = replace(leased, base=record, version=version, deferred=False)
                self.hold(account, leased)
                return leased
        raise AssertionError("a shield swallows nothing")

    # --- what could not be stored -------------------------------------------------------------------------------------

    async def settle(self, account: str) -> None:
        """Try now to store what could not be stored before. `latest` tells whether it worked."""
        await self._try_again(account)

    async def _retry(self, account: str) -> None:
        try:
            while (entry := self._unsaved.get(account)) is not None:
                entry.next_try = self._now() + entry.pause
                await trio.sleep(entry.pause)
                if await self._try_again(account):
                    return
        finally:
            self._retrying.discard(account)

    async def _try_again(self, account: str, reopen: Reopen | None = None) -> bool:
        """Save what is still unsaved; whether there is nothing left to do."""
        with trio.CancelScope(shield=True):
            async with self._locks.setdefault(account, trio.Lock()):
                return await self._save_unsaved(account, reopen)
        raise AssertionError("a shield swallows nothing")

    async def _save_unsaved(self, account: str, reopen: Reopen | None) -> bool:
        opened, entry = self._latest.get(account), self._unsaved.get(account)
        if opened is None or entry is None:
            return True
        entry.next_try = None
        try:
            await self._save(account, opened, reopen or entry.reopen, replaces=entry.replaces)
        except StoreError as error:
            entry.failed(error)
            if entry.worth_a_line:
                log.warning("account %s: tokens still not stored: %s", foreign(account), foreign(error))
            return False
        except SupersededError:
            log.warning("account %s: the mail password was changed elsewhere", foreign(account))
        else:
            log.warning("account %s: tokens are stored now", foreign(account))
        return True

    # --- the end ------------------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """On the way out: one last attempt for each record that is not stored. Not cut off by cancellation."""
        deferred = sorted(self._deferred)
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                for account in list(self._unsaved):
                    nursery.start_soon(self._try_again, account, _nobody)
                end = trio.current_time() + FLUSH_SECONDS
                for _ in range(min(FLUSHERS, len(deferred))):
                    nursery.start_soon(self._flush_deferred, deferred, end)
        left = len(self._deferred)
        if left:
            log.info("the store has older, valid refresh tokens of %d accounts, which were not written in time", left)

    async def _flush_deferred(self, accounts: list[str], end: float) -> None:
        """Write the next of `accounts` until none is left, or the time is up. Nothing depends on it."""
        while accounts and trio.current_time() < end:
            account = accounts.pop()
            opened = self._latest[account]
            try:
                record = opened.sealed(now=self._now(), client_secret=None)
                version = await self._records.save(account, record, opened.version)
            except StoreConflictError:
                log.debug("account %s: another process stored a refresh token, which is as good", foreign(account))
            except StoreError as error:
                log.warning(
                    "account %s: the newest refresh token is not stored, the one in the store is valid too: %s",
                    foreign(account),
                    foreign(error),
                )
            else:
                opened = replace(opened, base=record, version=version)
            self.hold(account, replace(opened, deferred=False))


async def _nobody(stored: Stored) -> Opened | None:  # noqa: ARG001
    """A `Reopen` for when nobody is there any more to be asked for the password."""
    await trio.lowlevel.checkpoint()
    return None


def _supersedes(theirs: Record, ours: Record, base: Record) -> bool:
    """Whether what another process stored meanwhile is newer than what we are about to store."""
    if ours.refresh_token != base.refresh_token and theirs.refresh_token == base.refresh_token:
        return False  # theirs is the one that ours came from
    if theirs.refresh_token_issued is not None and ours.refresh_token_issued is not None:
        by_issue = theirs.refresh_token_issued - ours.refresh_token_issued
        if by_issue:
            return by_issue > 0
    return (theirs.access_token_expiry or 0) > (ours.access_token_expiry or 0)
