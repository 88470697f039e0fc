"""Records come over whole, once, and never over something that is newer or may be."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import trio

from emailproxy.oauth.sealing import SealingKey, derive_key
from emailproxy.secret import Secret
from emailproxy.store.base import (
    CacheStore,
    Record,
    StoreConflictError,
    StoreContentError,
    Stored,
    StoreDeniedError,
    StoreTooLargeError,
    StoreUnavailableError,
    Version,
)
from emailproxy.store.cached import CachedStore
from emailproxy.store.copying import WAITS, Copied, Outcome, Waiting, copy_records, is_kept, is_newer
from emailproxy.store.document import lasting
from emailproxy.testing.memory_store import MemoryStore
from tests.clocks import PatientClock

KEY: SealingKey = derive_key(Secret("password"), b"0123456789abcdef", 10)
NOW = 1_790_000_000


def sealed(when: int = NOW, **changes: object) -> Record:
    """A record of a refresh at `when`."""

    def seal(text: str) -> str:
        return KEY._fernet.encrypt_at_time(text.encode(), when).decode()

    made = Record(
        token_salt=KEY.salt_text,
        token_iterations=10,
        access_token=seal("access"),
        access_token_expiry=when + 3600,
        refresh_token=seal("refresh"),
        last_activity=when,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


class Lasting(MemoryStore):
    """A store that keeps what a secret manager keeps."""

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        return super().save(account, lasting(record), expected)


async def copied(source: CacheStore, target: CacheStore, *accounts: str, overwrite: bool = False) -> dict[str, Copied]:
    told: list[Copied | Waiting] = []
    origin = CachedStore(source)
    names = list(accounts) or await origin.accounts()
    await copy_records(origin, CachedStore(target), names, overwrite=overwrite, tell=told.append)
    done = [event for event in told if isinstance(event, Copied)]
    assert len(done) == len(names)
    return {event.account: event for event in done}


def holding(kind: type[MemoryStore] = MemoryStore, /, **records: Record) -> MemoryStore:
    store = kind()
    store.records.update(records)
    return store


async def test_all_records_come_over_and_a_second_run_writes_nothing() -> None:
    records = {f"account{number}": sealed(NOW + number) for number in range(20)}
    source, target = holding(MemoryStore, **records), MemoryStore()
    before = dict(source.records)
    assert {event.outcome for event in (await copied(source, target)).values()} == {Outcome.COPIED}
    assert target.records == records
    assert source.records == before
    assert source.writes == 0
    writes = target.writes
    assert {event.outcome for event in (await copied(source, target)).values()} == {Outcome.THERE}
    assert target.writes == writes


async def test_a_store_that_keeps_no_access_token() -> None:
    source, target = holding(a=sealed()), holding(Lasting)
    assert (await copied(source, target))["a"].outcome is Outcome.COPIED
    assert target.records["a"] == lasting(source.records["a"])
    assert (await copied(source, target))["a"].outcome is Outcome.THERE


async def test_only_some_accounts() -> None:
    source, target = holding(a=sealed(), b=sealed()), MemoryStore()
    done = await copied(source, target, "b", "nobody")
    assert list(target.records) == ["b"]
    assert done["nobody"].outcome is Outcome.REFUSED
    assert "no record" in done["nobody"].reason


async def test_an_older_record_is_replaced_and_a_newer_one_is_not() -> None:
    source = holding(old=sealed(NOW), new=sealed(NOW + 100))
    target = holding(old=sealed(NOW + 100), new=sealed(NOW))
    kept = target.records["old"]
    done = await copied(source, target)
    assert done["new"].outcome is Outcome.REPLACED
    assert target.records["new"] == source.records["new"]
    assert done["old"].outcome is Outcome.REFUSED
    assert "newer one; --overwrite" in done["old"].reason
    assert target.records["old"] == kept
    assert (await copied(source, target, overwrite=True))["old"].outcome is Outcome.REPLACED
    assert target.records["old"] == source.records["old"]


@pytest.mark.parametrize(
    "there",
    [
        sealed(NOW + 1),  # within what clocks may differ
        sealed(refresh_token="no sealed value"),
        sealed(NOW - 100, last_activity=NOW + 100),
        sealed(NOW - 100, access_token=sealed(NOW + 100).access_token),
        Record(token_salt="another"),
    ],
)
async def test_a_record_that_may_be_newer_stays(there: Record) -> None:
    source, target = holding(a=sealed()), holding(a=there)
    done = await copied(source, target)
    assert done["a"].outcome is Outcome.REFUSED
    assert "cannot be told" in done["a"].reason
    assert target.records["a"] == there


def test_newer_is_what_was_given_later() -> None:
    older = sealed(NOW, refresh_token_issued=NOW - 500)
    sealed_anew = sealed(NOW + 100, refresh_token_issued=NOW - 1000)
    assert is_newer(replace(sealed_anew, refresh_token_issued=None), older)
    assert not is_newer(sealed_anew, older)
    assert not is_newer(sealed(NOW + 100, refresh_token=None), older)


@pytest.mark.parametrize("name", ["token_salt", "token_iterations", "refresh_token", "client_secret_encrypted"])
def test_what_lasts_must_be_the_same(name: str) -> None:
    record = sealed(client_secret_encrypted="secret")
    assert is_kept(record, lasting(record))
    without = replace(record, **{name: None})
    other = replace(record, **{name: 7 if name == "token_iterations" else "x"})  # type: ignore[arg-type]
    assert not is_kept(record, without)
    assert not is_kept(record, other)
    assert not is_kept(without, record)


async def test_a_record_whose_turn_it_is_is_not_torn_from_its_proxy() -> None:
    leased = sealed(lease_owner="replica", lease_until=int(time.time()) + 60)
    done = await copied(holding(a=leased), MemoryStore())
    assert done["a"].outcome is Outcome.REFUSED
    assert "refreshing it just now" in done["a"].reason
    target = holding(a=leased)
    assert (await copied(holding(a=sealed(NOW + 100)), target, overwrite=True))["a"].outcome is Outcome.REFUSED
    assert target.records["a"] == leased


async def test_a_lease_that_is_over_does_not_come_over() -> None:
    target = MemoryStore()
    source = holding(a=sealed(lease_owner="replica", lease_until=1))
    assert (await copied(source, target))["a"].outcome is Outcome.COPIED
    assert target.records["a"].lease_owner is None
    assert (await copied(source, target))["a"].outcome is Outcome.THERE


async def test_a_catch_all_section_is_no_account() -> None:
    target = MemoryStore()
    done = await copied(holding(MemoryStore, **{"@example.com": sealed(), "@": sealed()}), target)
    assert {event.outcome for event in done.values()} == {Outcome.LEFT_OUT}
    assert target.records == {}


class Failing(MemoryStore):
    """A target in which one account cannot be written."""

    error: Exception = StoreDeniedError("denied")

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        if account == "a":
            raise self.error
        return super().save(account, record, expected)


@pytest.mark.parametrize(
    "error", [StoreDeniedError("no"), StoreTooLargeError("no"), StoreContentError("no"), StoreConflictError("no")]
)
async def test_one_that_is_refused_does_not_stop_the_others(error: Exception) -> None:
    target = holding(Failing)
    assert isinstance(target, Failing)
    target.error = error
    done = await copied(holding(a=sealed(), b=sealed()), target)
    assert done["a"].outcome is Outcome.REFUSED
    assert "no" in done["a"].reason
    assert done["b"].outcome is Outcome.COPIED


async def test_what_does_not_read_back_as_written_is_not_copied() -> None:
    class Forgetful(MemoryStore):
        def load(self, account: str) -> Stored | None:
            stored = super().load(account)
            return stored and Stored(replace(stored.record, refresh_token="another"), stored.version)

    done = await copied(holding(a=sealed()), Forgetful())
    assert done["a"].outcome is Outcome.REFUSED
    assert "another record than was written" in done["a"].reason


async def test_a_store_that_is_away_for_a_while(autojump_clock: PatientClock) -> None:
    class Throttled(MemoryStore):
        def save(self, account: str, record: Record, expected: Version | None) -> Version:
            version = super().save(account, record, expected)
            if self.writes == 1:  # done, and the answer got lost
                raise StoreUnavailableError("throttled")
            return version

    target = Throttled()
    told: list[Copied | Waiting] = []
    source = CachedStore(holding(a=sealed()))
    await copy_records(source, CachedStore(target), ["a"], overwrite=False, tell=told.append)
    assert [type(event) for event in told] == [Waiting, Copied]
    assert target.writes == 1
    assert trio.current_time() == pytest.approx(WAITS[0])


async def test_a_store_that_stays_away_ends_it(autojump_clock: PatientClock) -> None:
    target = MemoryStore()
    target.write_failure = StoreUnavailableError("away")
    told: list[Copied | Waiting] = []
    source = CachedStore(holding(MemoryStore, **{str(n): sealed() for n in range(20)}))
    with pytest.raises(StoreUnavailableError):
        await copy_records(source, CachedStore(target), [str(n) for n in range(20)], overwrite=False, tell=told.append)
    assert not [event for event in told if isinstance(event, Copied)]
    target.write_failure = None
    assert len(await copied(holding(MemoryStore, **{str(n): sealed() for n in range(20)}), target)) == 20
