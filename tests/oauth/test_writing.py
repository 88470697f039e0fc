"""How often a store that bills writes is asked, and what is in memory meanwhile."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
import trio

from emailproxy.config.model import RefreshTokens
from emailproxy.oauth.keeping import FLUSH_SECONDS
from emailproxy.oauth.opened import Opened, open_stored
from emailproxy.oauth.passwords import PasswordDigest
from emailproxy.oauth.sealing import derive_key
from emailproxy.oauth.writing import WRITE_EVERY, Urgency, urgency
from emailproxy.secret import Secret
from emailproxy.store.base import Stored, StoreUnavailableError, Version
from tests.clocks import PatientClock

from .replicas import RotatingProvider, SecretManager, by_chance, first_record, replica
from .support import ACCOUNT, EPOCH, FEW, PASSWORD, SALT, unseal

NAME = ACCOUNT.name
HOUR = 3600
GIVEN = int(EPOCH) - 1
"""When the provider gave the refresh token that is in the store."""
REUSABLE, ROTATING, SINGLE_USE = RefreshTokens
KEY = derive_key(PASSWORD, SALT, FEW.current)


@pytest.fixture
def clock(patient_clock: PatientClock) -> PatientClock:
    return patient_clock


def manager(**changes: Any) -> SecretManager:
    store = SecretManager()
    store.records[NAME] = replace(first_record(), **({"refresh_token_issued": GIVEN} | changes))
    return store


def refresh_token(store: SecretManager) -> str | None:
    return unseal(store.records[NAME], "refresh_token")


# --- the rule ---------------------------------------------------------------------------------------------------------


def opened(**changes: Any) -> Opened:
    record = replace(first_record(), **({"refresh_token_issued": GIVEN} | changes))
    return open_stored(NAME, Stored(record, Version("1")), PasswordDigest(b"d"), KEY)


def when(kept: Opened, kind: RefreshTokens = REUSABLE, after: float = HOUR) -> Urgency:
    return urgency(kept, kept.sealed(now=GIVEN + after, client_secret=None), kind, GIVEN + after)


def test_what_the_store_has_already_is_not_written() -> None:
    for kind in RefreshTokens:
        assert when(opened(), kind) is Urgency.NEVER
        assert when(opened(), kind, after=10 * WRITE_EVERY) is Urgency.NEVER


@pytest.mark.parametrize(
    ("kind", "after", "expected"),
    [
        (REUSABLE, HOUR, Urgency.LATER),
        (REUSABLE, WRITE_EVERY - 1, Urgency.LATER),
        (REUSABLE, WRITE_EVERY, Urgency.NOW),
        (REUSABLE, -HOUR, Urgency.NOW),  # a clock that was set back must not put it off for ever
        (ROTATING, HOUR, Urgency.NOW),
        (SINGLE_USE, HOUR, Urgency.NOW),
    ],
)
def test_a_new_refresh_token(kind: RefreshTokens, after: float, expected: Urgency) -> None:
    assert when(replace(opened(), refresh=Secret("rt-1"), issued=int(GIVEN + after)), kind, after) is expected


def test_everything_else_is_written_at_once() -> None:
    other = derive_key(PASSWORD, SALT, FEW.current + 1)
    assert when(replace(opened(), key=other)) is Urgency.NOW
    assert when(replace(opened(), client_secret=Secret("s"))) is Urgency.NOW
    assert when(replace(opened(), version=None)) is Urgency.NOW
    assert when(replace(opened(), unsaved=True)) is Urgency.NOW
    assert when(opened(refresh_token_issued=None)) is Urgency.NOW
    assert when(replace(opened(lease_owner="us", lease_until=1), lease=None)) is Urgency.NOW
    bare = opened(refresh_token=None, refresh_token_issued=None)
    assert when(bare) is Urgency.NOW, "nothing is kept yet that tells a wrong password"
    check = KEY.seal(Secret("emailproxy"))
    assert when(opened(refresh_token=None, refresh_token_issued=None, password_check=check)) is Urgency.NEVER


# --- what it comes to -------------------------------------------------------------------------------------------------


async def test_a_warm_login_asks_nobody(clock: PatientClock) -> None:
    store, provider = manager(), RotatingProvider(REUSABLE, expires_in=HOUR)
    async with replica(provider, store) as one:
        assert await one.token() == "at-1"
        before = (one.store.reads, one.store.writes)
        for _ in range(9):  # every five minutes, as mail clients do
            await trio.sleep(300)
            assert await one.token() == "at-1"
        assert (one.store.reads, one.store.writes) == before
        assert provider.count == 1


async def test_one_write_a_day_and_one_at_the_end(clock: PatientClock) -> None:
    """A week with Entra: a refresh each hour, and each of them brings a new refresh token."""
    store, provider = manager(), RotatingProvider(REUSABLE, expires_in=HOUR + 600)
    async with replica(provider, store) as one:
        for hour in range(7 * 24):
            assert await one.token() == f"at-{hour + 1}"
            await trio.sleep(HOUR)
        assert provider.count == 7 * 24
        assert one.store.writes == 6
        assert one.broker.deferred == 1
        reads = one.store.reads
        assert reads <= 7 * 24 + 1, "one for each refresh"
    assert one.store.writes == 7
    assert refresh_token(store) == provider.live


async def test_a_provider_that_never_gives_another_costs_no_write_at_all(clock: PatientClock) -> None:
    store, provider = manager(), RotatingProvider(REUSABLE, expires_in=HOUR)
    provider.rotates = False
    async with replica(provider, store) as one:
        for _ in range(10):
            await one.token()
            await trio.sleep(HOUR)
    assert (provider.count, one.store.writes) == (10, 0)


async def test_a_rotating_one_is_written_before_it_is_used(clock: PatientClock) -> None:
    store, provider = manager(), RotatingProvider(ROTATING)
    async with replica(provider, store) as one:
        assert await one.token() == "at-1"
        assert refresh_token(store) == "rt-1"
        assert one.store.writes == 1


async def test_the_next_refresh_uses_the_deferred_one(clock: PatientClock) -> None:
    store, provider = manager(), RotatingProvider(REUSABLE, expires_in=700)
    async with replica(provider, store) as one:
        await one.token()
        await trio.sleep(200)
        await one.token()
        assert provider.used == ["rt-0", "rt-1"]
        assert refresh_token(store) == "rt-0"


async def test_another_process_that_wrote_is_heard_and_our_access_token_stays(clock: PatientClock) -> None:
    store, provider = manager(), RotatingProvider(REUSABLE, expires_in=2 * HOUR)
    async with replica(provider, store) as one:
        await one.token()
        secret = KEY.seal(Secret("another client secret"))
        store.records[NAME] = replace(store.records[NAME], client_secret_encrypted=secret)
        await trio.sleep(HOUR + 1)  # memory is asked no longer
        assert await one.token() == "at-1", "a secret manager has no access token to offer"
        assert one.broker.deferred == 1, "what they wrote has the older refresh token"
        newer = replace(
            first_record(), refresh_token=KEY.seal(Secret("theirs")), refresh_token_issued=int(EPOCH) + HOUR
        )
        store.records[NAME] = newer
        await trio.sleep(HOUR - 700)
        await trio.sleep(200)
        await one.token()
        assert provider.used[-1] == "theirs"


async def test_a_refused_token_that_the_store_could_mend_is_written_at_once(clock: PatientClock) -> None:
    store, provider = manager(), RotatingProvider(REUSABLE, expires_in=700)
    async with replica(provider, store) as one:
        await one.token()
        assert one.store.writes == 0
        provider.dead = {"rt-1"}
        store.records[NAME] = replace(
            first_record(), refresh_token=KEY.seal(Secret("theirs")), refresh_token_issued=GIVEN - 1
        )
        await trio.sleep(200)
        assert (await one.token(), one.store.writes) == ("at-2", 1)
        assert refresh_token(store) == provider.live


async def test_a_conflict_at_the_end_is_nobodys_loss(clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    store, provider = manager(), RotatingProvider(REUSABLE, expires_in=HOUR)
    async with replica(provider, store) as one:
        await one.token()
        theirs = store.records[NAME] = replace(first_record(), refresh_token_issued=int(EPOCH) + 5)
    assert store.records[NAME] == theirs
    assert [r for r in caplog.records if r.levelname in ("WARNING", "ERROR")] == []


async def test_a_store_that_is_down_at_the_end_is_no_alarm(
    clock: PatientClock, caplog: pytest.LogCaptureFixture
) -> None:
    store, provider = manager(), RotatingProvider(REUSABLE, expires_in=HOUR)
    async with replica(provider, store) as one:
        await one.token()
        one.store.write_failure = StoreUnavailableError("down")
    assert "the one in the store is valid too" in caplog.text
    assert "could not be stored" not in caplog.text


async def test_the_end_is_not_held_by_many(clock: PatientClock) -> None:
    provider = RotatingProvider(REUSABLE, expires_in=HOUR)
    store = manager()
    seconds = 0.0
    async with replica(provider, store, store_seconds=lambda: seconds) as one:
        for number in range(60):
            name = f"user{number}@example.com"
            store.records[name] = store.records[NAME]
            one.account = replace(one.account, name=name)
            await one.token()
        seconds = 1.0
        ending = trio.current_time()
    assert trio.current_time() - ending <= FLUSH_SECONDS + 2
    assert 10 <= one.store.writes <= 30


async def test_a_record_that_was_deleted_is_not_written_again(clock: PatientClock) -> None:
    store, provider = manager(), RotatingProvider(REUSABLE, expires_in=700)
    async with replica(provider, store) as one:
        await one.token()
        store.records.clear()
        await trio.sleep(200)
        with trio.move_on_after(5):
            await one.tries()
        assert one.broker.deferred == 0
    assert store.records == {}


# --- rotating, in a store without access tokens -----------------------------------------------------------------------


async def test_replicas_of_a_rotating_account_adopt_each_others_tokens(clock: PatientClock) -> None:
    store, provider = manager(), RotatingProvider(ROTATING, expires_in=700)
    async with replica(provider, store) as one, replica(provider, store) as two:
        assert await one.token() == "at-1"
        assert await two.token() == "at-2"
        await trio.sleep(200)
        assert (await one.token(), await two.token()) == ("at-3", "at-4")
        assert await one.token() == "at-3", "its own is good still"
    assert provider.replays == 0


@pytest.mark.parametrize("seed", range(8))
async def test_a_refused_rotating_token_is_looked_for_in_the_store(clock: PatientClock, seed: int) -> None:
    random = Random(seed)
    store, provider = manager(), RotatingProvider(ROTATING, seconds=by_chance(random, 0.1, 1))
    travel = by_chance(random, 0, 0.3)
    told: list[str] = []
    async with (
        replica(provider, store, store_seconds=travel) as one,
        replica(provider, store, store_seconds=travel) as two,
    ):

        async def log_in(number: int) -> None:
            await trio.sleep(random.uniform(0, 1))
            told.append(await (one, two)[number % 2].tries())

        async with trio.open_nursery() as nursery:
            for number in range(2):
                nursery.start_soon(log_in, number)
        assert all(t.startswith("at-") for t in told), told
        assert one.consents.pending() == two.consents.pending() == ()
    assert refresh_token(store) == provider.live


async def test_while_tokens_are_unsaved_nothing_is_refreshed_early(clock: PatientClock) -> None:
    store, provider = manager(), RotatingProvider(ROTATING, expires_in=700)
    async with replica(provider, store) as one:
        one.store.write_failure = StoreUnavailableError("down")
        assert await one.token() == "at-1"
        await trio.sleep(200)
        assert await one.token() == "at-1"
        (entry,) = one.broker.unsaved
        assert (entry.account, entry.error) == (NAME, "down")
        assert entry.since == pytest.approx(EPOCH, abs=2)
        assert entry.attempts > 3
        assert entry.next_try is not None
        await trio.sleep(495)
        assert await one.token() == "at-2", "expired, so there is no choice"
        one.store.write_failure = None
    assert refresh_token(store) == "rt-2"
