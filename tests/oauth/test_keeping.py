"""What `tokens` cannot see from outside: conflicts without end, deletion, and cancellation in the middle."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from emailproxy.config.model import RefreshTokens
from emailproxy.oauth.keeping import MAX_CONFLICTS, Keeper, Order
from emailproxy.oauth.opened import AccessToken, Opened, open_stored
from emailproxy.oauth.passwords import PasswordDigest
from emailproxy.oauth.sealing import derive_key
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored, Version
from tests.clocks import PatientClock

from .support import ACCOUNT, EPOCH, FEW, PASSWORD, SALT, MemoryRecords, now, sealed_record

DIGEST = PasswordDigest(b"d")
KEY = derive_key(PASSWORD, SALT, FEW.current)
NAME = ACCOUNT.name
KIND = RefreshTokens.ROTATING


def fresh(version: str | None) -> Opened:
    token = AccessToken(Secret("fresh"), EPOCH + 3600.0)
    return Opened(DIGEST, KEY, Record(), Version(version) if version else None, token, Secret("rt"))


async def reopen(stored: Stored) -> Opened | None:
    return open_stored(NAME, stored, DIGEST, KEY)


async def test_a_record_that_was_removed_is_written_again(autojump_clock: PatientClock) -> None:
    records = MemoryRecords()
    async with trio.open_nursery() as nursery:
        kept = await Keeper(records, nursery, now).keep(NAME, fresh("v9"), reopen, Order(KIND))
    assert not kept.unsaved
    assert records.journal == ["conflict", "load_fresh", "save"]


async def test_writers_without_end_leave_it_unsaved_for_later(autojump_clock: PatientClock) -> None:
    records = MemoryRecords()

    async def interfere() -> None:
        records.put(sealed_record(expires_in=1))

    records.before_save = interfere
    async with trio.open_nursery() as nursery:
        keeper = Keeper(records, nursery, now)
        assert (await keeper.keep(NAME, fresh(None), reopen, Order(KIND))).unsaved
        assert records.journal.count("conflict") == MAX_CONFLICTS
        records.before_save = None
        await trio.sleep(3)
        latest = keeper.latest(NAME)
        assert latest is not None
        assert not latest.unsaved


async def test_a_cancelled_keep_is_finished(autojump_clock: PatientClock) -> None:
    records = MemoryRecords()
    async with trio.open_nursery() as nursery:
        keeper = Keeper(records, nursery, now)
        with trio.CancelScope() as scope:
            scope.cancel()
            await keeper.keep(NAME, fresh(None), reopen, Order(KIND))
    assert NAME in records.stored


@pytest.mark.parametrize("replaces", [True, False])
async def test_a_persons_decision_overwrites_newer_tokens(replaces: bool, autojump_clock: PatientClock) -> None:
    records = MemoryRecords()
    records.put(sealed_record(access="theirs", expires_in=9000))
    async with trio.open_nursery() as nursery:
        kept = await Keeper(records, nursery, now).keep(NAME, fresh("old"), reopen, Order(KIND, replaces=replaces))
    assert kept.access is not None
    assert kept.access.value == Secret("fresh" if replaces else "theirs")


async def test_a_save_that_brings_no_tokens_ends_nobodys_turn(autojump_clock: PatientClock) -> None:
    """As when a record is sealed with other iterations while another process has just begun to refresh."""
    records = MemoryRecords()
    base = sealed_record()
    ours = await reopen(Stored(base, records.put(base)))
    assert ours is not None
    records.put(replace(base, lease_owner="other", lease_until=EPOCH + 60))
    async with trio.open_nursery() as nursery:
        keeper = Keeper(records, nursery, now)
        await keeper.keep(NAME, ours, reopen, Order(RefreshTokens.SINGLE_USE, client_secret=Secret("to be sealed")))
    assert records.journal == ["conflict", "load_fresh", "save"]
    assert (records.record.lease_owner, records.record.lease_until) == ("other", EPOCH + 60)
    assert records.record.client_secret_encrypted is not None
