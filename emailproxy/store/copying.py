"""How do records move to another store? One by one, each read back; what the target knows better is left alone.

Nothing is remembered between two runs: what is in the target already is seen there, so an interrupted copy is begun
again and goes on. The source is read only.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import trio

from emailproxy.store.base import Record, StoreConflictError, StoreError, StoreUnavailableError
from emailproxy.store.cached import CachedStore
from emailproxy.store.overview import sealed_at

__all__ = ["Copied", "Outcome", "Waiting", "copy_records", "is_kept", "is_newer"]

COPIES_AT_ONCE: Final = 4
"""Enough to hide the way to the service, and far from the quotas of writes (AWS 50 a second, Key Vault 30)."""
WAITS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before another try when a store is away. Quotas of Google are counted by the minute."""
CLOCKS: Final = 5
"""Seconds that two machines' clocks may differ: of records sealed that close together none is the older."""


class Outcome(enum.Enum):
    """What became of one account."""

    COPIED = "copied"
    REPLACED = "replaced"
    """An older record in the target, or any with `overwrite`."""
    THERE = "already there"
    LEFT_OUT = "left out"
    """Nothing that belongs into a store: a catch-all section."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Copied:
    """One account is done with."""

    account: str
    outcome: Outcome
    reason: str = ""
    """Of LEFT_OUT and REFUSED."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A store is away, and is asked again after some seconds."""

    account: str
    seconds: float
    error: StoreUnavailableError


async def copy_records(
    source: CachedStore,
    target: CachedStore,
    accounts: Sequence[str],
    *,
    overwrite: bool,
    tell: Callable[[Copied | Waiting], None],
) -> None:
    """Copy the records of `accounts`.

    Args:
        source: where they are; it is not changed.
        target: where they shall be.
        accounts: whose.
        overwrite: replace records in the target that are newer, or of which nobody can tell.
        tell: is told as it goes.

    Raises:
        StoreUnavailableError: a store stayed away; the accounts that were not told of were not copied.
    """
    limit = trio.CapacityLimiter(COPIES_AT_ONCE)
    away: list[StoreUnavailableError] = []

    async def copy(account: str) -> None:
        async with limit:
            try:
                tell(await _patiently(source, target, account, overwrite=overwrite, tell=tell))
            except StoreUnavailableError as error:
                away.append(error)
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for account in accounts:
            nursery.start_soon(copy, account)
    if away:
        raise away[0]


async def _patiently(
    source: CachedStore, target: CachedStore, account: str, *, overwrite: bool, tell: Callable[[Waiting], None]
) -> Copied:
    """Copy one, again where a store was away: the next try sees whether a write of unknown outcome was done."""
    for seconds in WAITS:
        try:
            return await _copy(source, target, account, overwrite=overwrite)
        except StoreUnavailableError as error:
            tell(Waiting(account, seconds, error))
            await trio.sleep(seconds)
    return await _copy(source, target, account, overwrite=overwrite)


async def _copy(source: CachedStore, target: CachedStore, account: str, *, overwrite: bool) -> Copied:
    if account.startswith("@"):
        return Copied(account, Outcome.LEFT_OUT, "a catch-all section is no account; it stays in the configuration")
    try:
        stored = await source.load_fresh(account)
        if stored is None:
            return Copied(account, Outcome.REFUSED, f"{source.address} has no record of it")
        if (reason := _lease(stored.record, source)) is not None:
            return Copied(account, Outcome.REFUSED, reason)
        # Whose turn it is to refresh is said among the proxies of one store.
        record = replace(stored.record, lease_owner=None, lease_until=None)
        there = await target.load_fresh(account)
        if there is not None and is_kept(record, there.record):
            return Copied(account, Outcome.THERE)
        if there is not None and (reason := _objection(record, there.record, target, overwrite=overwrite)) is not None:
            return Copied(account, Outcome.REFUSED, reason)
        await target.save(account, record, there.version if there is not None else None)
        back = await target.load_fresh(account)
    except StoreUnavailableError:
        raise
    except StoreConflictError as error:
        return Copied(account, Outcome.REFUSED, f"{error}: a proxy is using it; stop that, or copy again")
    except StoreError as error:
        return Copied(account, Outcome.REFUSED, str(error))
    if back is None or not is_kept(record, back.record):
        reason = f"{target.address} gives back another record than was written; see what else writes there"
        return Copied(account, Outcome.REFUSED, reason)
    return Copied(account, Outcome.COPIED if there is None else Outcome.REPLACED)


def is_kept(record: Record, found: Record) -> bool:
    """Whether `found` is `record` in a store that may leave out what changes all the time."""
    for field in fields(Record):
        ours, theirs = getattr(record, field.name), getattr(found, field.name)
        if theirs != ours and not (field.name in _LEASES or (field.name in _LEFT_OUT and theirs is None)):
            return False
    return True


_LEASES: Final = frozenset({"lease_owner", "lease_until"})
_LEFT_OUT: Final = frozenset(
    {
        "access_token",
        "access_token_expiry",
        "last_activity",
        "refresh_token_issued",
        "app_passwords_used",
        "password_check",
    }
)
"""What secret managers do not keep, or the classic proxy's formats do not have."""


def is_newer(record: Record, than: Record) -> bool:
    """Whether `record` is certainly newer: its tokens were sealed later, and nothing of the other is later still."""
    if than.refresh_token is not None and not _is_later(sealed_at(record.refresh_token), sealed_at(than.refresh_token)):
        return False
    given, given_there = record.refresh_token_issued, than.refresh_token_issued
    if given is not None and given_there is not None and given < given_there:
        return False
    return _is_later(_last_change(record), _last_change(than))


def _is_later(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one > other + CLOCKS


def _last_change(record: Record) -> int | None:
    values = (record.refresh_token, record.access_token, record.client_secret_encrypted, record.app_passwords)
    times = [*(sealed_at(value) for value in values), record.last_activity]
    return max((time for time in times if time is not None), default=None)


def _objection(record: Record, there: Record, target: CachedStore, *, overwrite: bool) -> str | None:
    """Why the target's record must not be replaced."""
    if (reason := _lease(there, target)) is not None:
        return reason
    if overwrite or is_newer(record, there):
        return None
    if is_newer(there, record):
        return f"{target.address} has a newer one; --overwrite replaces it"
    return f"{target.address} has another one, and which is newer cannot be told; --overwrite replaces it"


def _lease(record: Record, store: CachedStore) -> str | None:
    if record.lease_until is None or record.lease_until < time.time():
        return None
    return f"{store.address}: a proxy is refreshing it just now; stop that, or copy again"
