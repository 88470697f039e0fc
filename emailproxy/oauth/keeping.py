"""How do tokens get into the store before they are used, whatever the store and other writers do meanwhile?

The order is the point: a provider that rotates refresh tokens has declared the old one dead when it answered, so the
new one is saved before the new access token goes anywhere. What happens when the save fails is a choice between two
harms. To refuse the login would not bring the old token back, and a full disk would end all mail within the hour; to
go on risks one new authorisation, and only if this process dies before the store works again. So the login goes on
with the token in hand, the record stays in memory as the truth, the log says so as an error, and the save is tried
again with growing pauses until it works or is overtaken, and once more on the way out.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Protocol

import trio

from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.opened import Opened
from emailproxy.secret import Secret
from emailproxy.store.base import Record, StoreConflictError, Stored, StoreError, Version

__all__ = ["Keeper", "Records", "Reopen", "SupersededError"]

log = logging.getLogger("emailproxy.oauth")

MAX_CONFLICTS: Final = 5
"""Other writers in a row: replicas refresh an account once an hour each, so three at once is much."""
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 300.0
"""A store that is down for an hour is asked every five minutes; one that is back is found within five."""


class Records(Protocol):
    """The store's asynchronous face (`emailproxy.store.cached.CachedStore`)."""

    async def load(self, account: str) -> Stored | None:
        """The record, perhaps as it was a moment ago. Raises StoreError."""
        ...

    async def load_fresh(self, account: str) -> Stored | None:
        """The record as it is now. Raises StoreError."""
        ...

    async def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the record. Owns its deadline and is not cut off by cancellation. Raises StoreError."""
        ...


Reopen = Callable[[Stored], Awaitable[Opened | None]]
"""Opens a record that somebody else wrote; None: the password at hand does not open it."""


class SupersededError(Exception):
    """Somebody else has stored newer tokens that our password does not open: the mail password was changed."""


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
        self._secrets: dict[str, Secret | None] = {}
        self._locks: dict[str, trio.Lock] = {}
        self._retrying: set[str] = set()

    def latest(self, account: str) -> Opened | None:
        """What is held in memory, if anything."""
        return self._latest.get(account)

    def hold(self, account: str, opened: Opened) -> None:
        """Remember `opened`, which is what the store has."""
        self._latest[account] = opened

    def forget(self, account: str) -> None:
        """The store has no record (any more), or one that another password seals."""
        self._latest.pop(account, None)
        self._secrets.pop(account, None)

    async def keep(
        self,
        account: str,
        opened: Opened,
        reopen: Reopen,
        *,
        client_secret: Secret | None = None,
        replaces: bool = False,
    ) -> Opened:
        """Store `opened`; what is held afterwards, which is a newer record if another replica stored one.

        Not cut off by cancellation: after the provider answered, nothing may come between the tokens and the store.

        Args:
            account: whose record it is.
            opened: the new tokens.
            reopen: opens what another writer stored.
            client_secret: seal this as the record's client secret.
            replaces: a person decided it: overwrite whatever is there.

        Raises:
            SupersededError: the mail password was changed elsewhere; `opened` was not stored.
        """
        with trio.CancelScope(shield=True):
            return await self._keep(account, opened, reopen, client_secret, replaces=replaces)
        raise AssertionError("a shield swallows nothing")

    async def _keep(
        self, account: str, opened: Opened, reopen: Reopen, client_secret: Secret | None, *, replaces: bool
    ) -> Opened:
        async with self._locks.setdefault(account, trio.Lock()):
            try:
                return await self._save(account, opened, reopen, client_secret, replaces=replaces)
            except StoreError as error:
                log.error(
                    "account %s: new tokens could not be stored and are kept in memory, which a restart would lose; "
                    "trying again until it works: %s",
                    foreign(account),
                    foreign(error),
                )
            kept = replace(opened, unsaved=True, client_secret=client_secret or opened.client_secret)
            self._latest[account] = kept
            self._secrets[account] = client_secret
            if account not in self._retrying:
                self._retrying.add(account)
                self._nursery.start_soon(self._retry, account, reopen, replaces)
            return kept

    async def _save(
        self, account: str, opened: Opened, reopen: Reopen, client_secret: Secret | None, *, replaces: bool
    ) -> Opened:
        for _ in range(MAX_CONFLICTS):
            record = opened.sealed(now=self._now(), client_secret=client_secret)
            try:
                version = await self._records.save(account, record, opened.version)
            except StoreConflictError:
                fresh = await self._records.load_fresh(account)
                if fresh is None:
                    opened = replace(opened, version=None)
                    continue
                if not replaces:
                    theirs = await reopen(fresh)
                    if _expiry(fresh.record) > _expiry(record):
                        if theirs is None:
                            self.forget(account)
                            raise SupersededError from None
                        log.info("account %s: another process stored newer tokens, using them", foreign(account))
                        self.hold(account, theirs)
                        return theirs
                opened = replace(opened, version=fresh.version)
            else:
                kept = replace(
                    opened,
                    base=record,
                    version=version,
                    unsaved=False,
                    client_secret=client_secret or opened.client_secret,
                )
                self._latest[account] = kept
                self._secrets.pop(account, None)
                return kept
        raise StoreConflictError(f"the record changed {MAX_CONFLICTS} times while it was saved")

    async def _retry(self, account: str, reopen: Reopen, replaces: bool) -> None:
        pause = FIRST_PAUSE
        try:
            while True:
                await trio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                if await self._try_again(account, reopen, replaces=replaces):
                    return
        finally:
            self._retrying.discard(account)

    async def _try_again(self, account: str, reopen: Reopen, *, replaces: bool) -> bool:
        """Save what is still unsaved; whether there is nothing left to do."""
        with trio.CancelScope(shield=True):
            return await self._save_unsaved(account, reopen, replaces=replaces)
        raise AssertionError("a shield swallows nothing")

    async def _save_unsaved(self, account: str, reopen: Reopen, *, replaces: bool) -> bool:
        async with self._locks.setdefault(account, trio.Lock()):
            opened = self._latest.get(account)
            if opened is None or not opened.unsaved:
                return True
            try:
                await self._save(account, opened, reopen, self._secrets.get(account), replaces=replaces)
            except StoreError as error:
                log.warning("account %s: tokens still not stored: %s", foreign(account), foreign(error))
                return False
            except SupersededError:
                log.warning("account %s: the mail password was changed elsewhere", foreign(account))
            else:
                log.warning("account %s: tokens are stored now", foreign(account))
            return True

    async def flush(self) -> None:
        """On the way out: one last attempt for each record that is not stored. Not cut off by cancellation."""

        async def nothing(stored: Stored) -> Opened | None:  # noqa: ARG001 - nobody to ask for the password any more
            return None

        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                for account in [name for name, opened in self._latest.items() if opened.unsaved]:
                    nursery.start_soon(self._flush_one, account, nothing)

    async def _flush_one(self, account: str, reopen: Reopen) -> None:
        await self._try_again(account, reopen, replaces=False)


def _expiry(record: Record) -> int:
    return record.access_token_expiry or 0
