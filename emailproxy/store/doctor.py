"""Does a store do all that the proxy needs? Every kind of call once, in the real store, with a record of nobody's.

The probe belongs to an account that cannot exist: the domain ``.invalid`` is reserved (RFC 2606). It holds no secret,
is as large as an ordinary record, and is deleted at the end, also when the examination is interrupted.
"""

from __future__ import annotations

import contextlib
import enum
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import trio

from emailproxy.store.base import (
    Record,
    StoreConflictError,
    StoreContentError,
    StoreDeniedError,
    StoreError,
    StoreTooLargeError,
    Version,
)
from emailproxy.store.cached import CachedStore
from emailproxy.store.copying import is_kept

__all__ = ["Finding", "LeftBehind", "Step", "examine"]

PROBE_OCTETS: Final = 2048
"""Of the probe's refresh token; sealed ones of Microsoft have about as many."""


class Step(enum.Enum):
    """What is tried, in this order."""

    CREATE = "create a record"
    READ = "read it"
    WRITE = "replace it"
    CONFLICT = "refuse a stale version"
    LIST = "list the accounts"
    DELETE = "delete the record"

    @property
    def needed_for(self) -> str | None:
        """What an optional step is for; None: the proxy itself needs it."""
        return {Step.LIST: "cache list and cache copy", Step.DELETE: "cache delete"}.get(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """How one step went."""

    step: Step
    problem: str | None = None
    """None: it works."""
    remedy: str = ""
    """What to do, beyond what `problem` says."""
    note: str = ""
    """What to know although it works."""

    @property
    def fails(self) -> bool:
        """Whether the proxy cannot work like that."""
        return self.problem is not None and self.step.needed_for is None


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """The probe is still in the store."""

    account: str
    certain: bool
    """False: only if the attempt to create it got half-way."""


class _WrongAnswer(Exception):  # noqa: N818 - the store's mistake, not one of the call
    """The store answered, and not what it promised."""


async def examine(records: CachedStore, tell: Callable[[Finding | LeftBehind], None]) -> None:
    """Try each step. Without a record the others cannot be tried.

    Args:
        records: the store.
        tell: is told of each step when it is done, and of a probe that could not be deleted.
    """
    probe = _Probe(records)
    created = False
    try:
        created = await _attempt(Step.CREATE, probe.create, tell)
        if not created:
            return
        for step, attempt in (
            (Step.READ, probe.read),
            (Step.WRITE, probe.write),
            (Step.CONFLICT, probe.conflict),
            (Step.LIST, probe.listed),
        ):
            await _attempt(step, attempt, tell)
    finally:
        if probe.may_exist:
            with trio.CancelScope(shield=True):  # bounded by the store's own deadlines
                if created:
                    await _attempt(Step.DELETE, probe.delete, tell)
                else:
                    await probe.clean_up()
            if probe.may_exist:
                tell(LeftBehind(probe.account, certain=created))


async def _attempt(step: Step, do: Callable[[], Awaitable[str]], tell: Callable[[Finding], None]) -> bool:
    """Do it and tell how it went."""
    try:
        note = await do()
    except StoreError as error:
        tell(Finding(step, str(error), _remedy(error)))
        return False
    except _WrongAnswer as answer:
        tell(Finding(step, str(answer)))
        return False
    tell(Finding(step, note=note))
    return True


class _Probe:
    """The record that is written, and what is known of it. The steps return a note."""

    def __init__(self, records: CachedStore) -> None:
        self.account = f"probe-{secrets.token_hex(8)}@emailproxy.invalid"
        self.may_exist = False
        self._records = records
        self._record = Record(
            token_salt="ZW1haWxwcm94eSBkb2N0bw==",  # noqa: S106 - of nothing
            token_iterations=1,
            refresh_token="probe-" + secrets.token_urlsafe(PROBE_OCTETS)[:PROBE_OCTETS],
        )
        self._stale: Version | None = None
        self._version: Version | None = None

    async def create(self) -> str:
        # Set first: a write of unknown outcome may have happened, and a denied one half-way.
        self.may_exist = True
        try:
            self._version = await self._records.save(self.account, self._record, None)
        except (StoreTooLargeError, StoreContentError):
            self.may_exist = False
            raise
        return ""

    async def read(self) -> str:
        stored = await self._records.load_fresh(self.account)
        if stored is None:
            raise _WrongAnswer("what was just written is not there")
        if not is_kept(self._record, stored.record):
            raise _WrongAnswer("what was read is not what was written")
        if stored.version != self._version:
            raise _WrongAnswer("the version that was read is not the one that was written")
        return ""

    async def write(self) -> str:
        changed = replace(self._record, refresh_token=f"{self._record.refresh_token}2")
        version = await self._records.save(self.account, changed, self._version)
        self._stale, self._version, self._record = self._version, version, changed
        stored = await self._records.load_fresh(self.account)
        if stored is None or not is_kept(changed, stored.record):
            raise _WrongAnswer("after the write the old record is read")
        return ""

    async def conflict(self) -> str:
        if self._stale is None or self._stale == self._version:
            raise _WrongAnswer("there is no stale version to try, since the record could not be replaced")
        late = replace(self._record, refresh_token=f"{self._record.refresh_token}3")
        try:
            await self._records.save(self.account, late, self._stale)
        except StoreConflictError:
            return ""
        raise _WrongAnswer("a write with a stale version was accepted: two proxies would lose each other's tokens")

    async def listed(self) -> str:
        there = self.account in await self._records.accounts()
        return "" if there else "the new record does not show yet, for which a service may take minutes"

    async def delete(self) -> str:
        await self._records.delete(self.account)
        if await self._records.load_fresh(self.account) is not None:
            raise _WrongAnswer("the record is still read after it was deleted")
        self.may_exist = False
        return self._records.deletion

    async def clean_up(self) -> None:
        """After a create that failed, perhaps half-way."""
        with contextlib.suppress(StoreError):
            await self._records.delete(self.account)
            self.may_exist = False


def _remedy(error: StoreError) -> str:
    """What a person does about it, where the store's own message does not say it."""
    match error:
        case StoreDeniedError():
            return "grant it to the identity that the proxy runs as; docs/stores.md lists what each store needs"
        case StoreTooLargeError():
            return "the proxy's records are as large as this one; make room, or choose one record for each account"
        case _:
            return ""
