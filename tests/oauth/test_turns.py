"""Refresh tokens of single use: two processes never use one twice, whatever happens to either."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random

import httpx2
import pytest
import trio
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from emailproxy.config.model import RefreshTokens
from emailproxy.oauth.turns import CLOCKS, LEASE, PATIENCE, REQUEST, SAVE, TurnTimes, new_owner
from emailproxy.store.base import Record, StoreDeniedError, StoreUnavailableError
from emailproxy.testing.memory_store import MemoryStore
from tests.clocks import PatientClock

from .replicas import Replica, RotatingProvider, SecretManager, by_chance, first_record, replica
from .support import ACCOUNT, EPOCH, now, refusal, unseal

NAME = ACCOUNT.name
STORES = [MemoryStore, SecretManager]
# A refresh takes 3 s where each way to the store takes 0.2 s, and each to the provider 0.5 s.
MOMENTS = [(tenths, STORES[tenths % 2]) for tenths in range(1, 30, 3)]
DOWN = httpx2.Response(503)


@pytest.fixture
def clock(patient_clock: PatientClock) -> PatientClock:
    return patient_clock


def stored(kind: type[MemoryStore], **changes: object) -> MemoryStore:
    store = kind()
    store.records[NAME] = first_record(**changes)
    return store


def single_use(**more: object) -> RotatingProvider:
    return RotatingProvider(RefreshTokens.SINGLE_USE, **more)  # type: ignore[arg-type]


def fifth() -> float:
    return 0.2


def refresh_token(store: MemoryStore) -> str | None:
    return unseal(store.records[NAME], "refresh_token")


def lease(store: MemoryStore) -> str | None:
    return store.records[NAME].lease_owner


@pytest.mark.parametrize(("kind", "requests"), [(MemoryStore, 1), (SecretManager, 2)])
async def test_two_processes_at_once(clock: PatientClock, kind: type[MemoryStore], requests: int) -> None:
    """The second waits for the first, and refreshes itself only where the store keeps no access token."""
    store, provider = stored(kind), single_use(expires_in=3600)
    got: list[str] = []
    async with replica(provider, store) as one, replica(provider, store) as two, trio.open_nursery() as nursery:

        async def login(r: Replica) -> None:
            got.append(await r.token())

        nursery.start_soon(login, one)
        nursery.start_soon(login, two)
    assert sorted(got) == ["at-1", f"at-{requests}"]
    assert (provider.count, provider.replays) == (requests, 0)
    assert (refresh_token(store), lease(store)) == (provider.live, None)


async def test_ten_logins_of_one_process_cause_one_turn(clock: PatientClock) -> None:
    store, provider = stored(SecretManager), single_use(expires_in=3600)
    async with replica(provider, store) as one:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(one.token)
        assert provider.count == 1
        assert one.store.writes == 2, "the lease, and the tokens, which end it"


async def test_the_turn_is_visible_to_others_while_it_lasts(clock: PatientClock) -> None:
    store, provider = stored(SecretManager), single_use(seconds=lambda: 4.0)
    async with replica(provider, store) as one, trio.open_nursery() as nursery:
        nursery.start_soon(one.token)
        await trio.sleep(2)
        held = store.records[NAME]
        assert held.lease_owner is not None
        assert held.lease_until == int(EPOCH) + LEASE
        assert refresh_token(store) == "rt-0"


@pytest.mark.parametrize("kind", STORES)
async def test_a_lease_of_the_dead_runs_out(clock: PatientClock, kind: type[MemoryStore]) -> None:
    store, provider = stored(kind, lease_owner="dead", lease_until=int(EPOCH) + 30), single_use()
    async with replica(provider, store) as one:
        assert await one.token() == "at-1"
    assert 30 + CLOCKS <= trio.current_time() <= 30 + CLOCKS + 3
    assert lease(store) is None


async def test_a_lease_from_a_clock_that_is_far_ahead_ends_too(clock: PatientClock) -> None:
    store, provider = stored(SecretManager, lease_owner="dead", lease_until=int(EPOCH) + 86_400), single_use()
    async with replica(provider, store) as one:
        assert await one.token() == "at-1"
    assert LEASE + CLOCKS <= trio.current_time() <= LEASE + CLOCKS + 3


async def test_turns_may_be_shorter_all_along(clock: PatientClock) -> None:
    """A simulation with real clocks cannot wait for minutes: lease, margin and time for the request all shrink."""
    times = TurnTimes(lease=4, clocks=1, save=2, request=1)
    store = stored(SecretManager, lease_owner="dead", lease_until=int(EPOCH) + 86_400)
    provider = single_use(seconds=lambda: 60.0)
    async with replica(provider, store, times=times) as one, trio.open_nursery() as nursery:
        nursery.start_soon(one.tries)
        await trio.sleep(4 + 1 + 1.5)
        assert store.records[NAME].lease_until in range(int(now()) + 2, int(now()) + 5)
        ended = trio.current_time()
    assert trio.current_time() - ended < 4 - 2, "the request was cut off"


@pytest.mark.parametrize("ahead", [-4.9, 0.0, 4.9])
async def test_clocks_may_differ_a_little(clock: PatientClock, ahead: float) -> None:
    """One process takes nearly as long as it may: its tokens are stored after 57 s. The other's clock is wrong."""
    store, provider = stored(SecretManager), single_use(seconds=lambda: 29.0 if trio.current_time() < 20 else 0.1)

    def slow_in_the_end() -> float:
        return 28.0 if 20 < trio.current_time() < 50 else 0.0

    async with (
        replica(provider, store, store_seconds=slow_in_the_end) as one,
        replica(provider, store, ahead=ahead) as two,
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.token)
            await trio.sleep(0.1)
            assert await two.token() == "at-2"
            assert trio.current_time() >= 57
        assert provider.replays == 0


@pytest.mark.parametrize("kind", STORES)
async def test_a_clear_refusal_gives_the_turn_back(clock: PatientClock, kind: type[MemoryStore]) -> None:
    store, provider = stored(kind), single_use()
    provider.fails = [refusal("invalid_scope")]
    async with replica(provider, store) as one, replica(provider, store) as two:
        assert (await one.tries()).startswith("MISCONFIGURED")
        assert lease(store) is None
        begun = trio.current_time()
        assert await two.token() == "at-1"
        assert trio.current_time() - begun < 1


async def test_a_refusal_that_cannot_be_written_runs_out(clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    store, provider = stored(SecretManager), single_use()
    provider.fails = [refusal("invalid_scope")]
    async with replica(provider, store) as one, trio.open_nursery() as nursery:
        caplog.set_level("INFO")
        nursery.start_soon(one.tries)
        await trio.sleep(0.1)
        one.store.write_failure = StoreUnavailableError("down")
    assert lease(store) is not None
    assert "the lease runs out by itself: down" in caplog.text


async def test_an_unknown_outcome_keeps_others_waiting_but_not_us(clock: PatientClock) -> None:
    store, provider = stored(SecretManager), single_use()
    provider.fails = [DOWN, DOWN, DOWN, DOWN]
    async with replica(provider, store) as one, replica(provider, store) as two:
        assert (await one.tries()).startswith("TEMPORARY")
        assert lease(store) is not None
        assert (await one.tries()).startswith("TEMPORARY")
        taken = trio.current_time()
        assert await two.token() == "at-1"
        assert trio.current_time() - taken > LEASE - 10


async def test_the_request_ends_in_time_for_the_save(clock: PatientClock) -> None:
    store, provider = stored(SecretManager), single_use(seconds=lambda: 1000.0)
    async with replica(provider, store) as one:
        assert "in the time that a turn" in await one.tries()
        assert trio.current_time() == pytest.approx(LEASE - SAVE, abs=2)


async def test_a_lease_that_was_slow_to_write_is_written_anew_before_the_token_is_spent(clock: PatientClock) -> None:
    """A request that its turn leaves no time for is cut off when the provider may have granted it."""
    store, provider = stored(SecretManager), single_use(seconds=lambda: REQUEST - 1)

    def slow_at_first() -> float:
        return 10.0 if trio.current_time() < 45 else 0.5

    async with replica(provider, store, store_seconds=slow_at_first) as one:
        assert await one.token() == "at-1"
        assert (refresh_token(store), lease(store)) == ("rt-1", None)
        assert one.store.writes == 3, "the lease, again, and the tokens"
    assert (provider.used, provider.replays) == (["rt-0"], 0)


async def test_in_a_store_that_is_always_slow_nothing_is_spent(clock: PatientClock) -> None:
    store, provider = stored(SecretManager), single_use()
    async with replica(provider, store, store_seconds=lambda: 12.0) as one:
        told = await one.tries()
    assert told.startswith("TEMPORARY")
    assert "whose turn to refresh it is" in told
    assert provider.used == []
    assert trio.current_time() < PATIENCE + 60


async def test_a_turn_that_a_machine_has_slept_through_is_taken_anew(clock: PatientClock) -> None:
    """The clock of deadlines stood still meanwhile, and the time of day did not."""
    store, provider = stored(SecretManager), single_use()
    asleep: list[float] = []
    async with replica(provider, store, store_seconds=fifth, slept=lambda: sum(asleep)) as one:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.token)
            while lease(store) is None:
                await trio.sleep(0.05)
            asleep.append(LEASE + CLOCKS)  # before it heard that the lease is written
            assert provider.used == []
        assert one.store.writes == 3, "the lease, again, and the tokens"
    assert refresh_token(store) == "rt-1"


@pytest.mark.parametrize(
    ("error", "kind"),
    [(StoreUnavailableError("is down"), "TEMPORARY"), (StoreDeniedError("lacks it"), "MISCONFIGURED")],
)
@pytest.mark.parametrize("what", ["read_failure", "write_failure"])
async def test_without_a_turn_nothing_is_refreshed(
    clock: PatientClock, error: StoreUnavailableError, kind: str, what: str
) -> None:
    store, provider = stored(MemoryStore), single_use(expires_in=400)
    async with replica(provider, store) as one:
        assert await one.token() == "at-1"  # good for a while, but not for ten minutes
        setattr(one.store, what, error)
        assert await one.token() == "at-1"
        await trio.sleep(395)
        told = await one.tries()
        assert told.startswith(kind)
        assert str(error) in told
        assert provider.count == 1
        setattr(one.store, what, None)
        assert await one.token() == "at-2"


async def test_unsaved_tokens_are_stored_before_the_next_refresh(clock: PatientClock) -> None:
    store, provider = stored(SecretManager), single_use(expires_in=700)
    async with replica(provider, store) as one, replica(provider, store) as two:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.token)
            await trio.sleep(0.1)
            one.store.write_failure = StoreUnavailableError("is down")
        held = one.broker.unsaved
        assert [entry.account for entry in held] == [NAME]
        await trio.sleep(200)
        assert await one.token() == "at-1", "it is refreshed early otherwise"
        await trio.sleep(500)
        told = await one.tries()
        assert "not stored yet" in told
        assert "is down" in told
        assert provider.count == 1
        one.store.write_failure = None
        await trio.sleep(6)
        assert (one.broker.unsaved, refresh_token(store)) == ((), "rt-1")
        assert await one.token() == "at-2"
        assert await two.token() == "at-3"
        assert provider.replays == 0


async def test_sealing_anew_does_not_end_anybodys_turn(clock: PatientClock) -> None:
    store = MemoryStore()
    store.records[NAME] = replace(
        first_record(iterations=10, lease_owner="other", lease_until=int(EPOCH) + 50), token_iterations=10
    )
    provider = single_use()
    async with replica(provider, store) as one, trio.open_nursery() as nursery:
        nursery.start_soon(one.tries)
        await trio.sleep(5)
        assert store.records[NAME].token_iterations == 20
        assert lease(store) == "other"
        nursery.cancel_scope.cancel()


async def test_other_proxies_that_hang_one_after_the_other(clock: PatientClock) -> None:
    store, provider = stored(MemoryStore), single_use()

    async def others() -> None:
        number = 0
        while True:
            number += 1
            store.records[NAME] = first_record(lease_owner=f"other {number}", lease_until=int(now()) + LEASE)
            await trio.sleep(50)

    async with replica(provider, store) as one, trio.open_nursery() as nursery:
        nursery.start_soon(others)
        await trio.sleep(0)
        told = await one.tries()
        assert told.startswith("TEMPORARY")
        assert "other proxies" in told
        assert provider.count == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("tenths", "kind"), MOMENTS)
async def test_a_process_that_stops_at_any_moment(clock: PatientClock, tenths: int, kind: type[MemoryStore]) -> None:
    """On a clean stop the tokens under way reach the store, so the next one goes on at once or after the lease."""
    store, provider = stored(kind), single_use(seconds=lambda: 1.0)
    async with replica(provider, store, store_seconds=fifth) as one, trio.open_nursery() as nursery:
        nursery.start_soon(one.tries)
        await trio.sleep(tenths / 10)
        nursery.cancel_scope.cancel()
    async with replica(provider, store, store_seconds=fifth) as two:
        assert (await two.tries()).startswith("at-")
    assert not provider.revoked
    assert refresh_token(store) == provider.live


@pytest.mark.parametrize(("tenths", "kind"), MOMENTS)
async def test_a_process_that_dies_at_any_moment(clock: PatientClock, tenths: int, kind: type[MemoryStore]) -> None:
    """Only between the provider's answer and the save is there something that dies with it."""
    store, provider = stored(kind), single_use(seconds=lambda: 1.0)
    async with (
        replica(provider, store, store_seconds=fifth) as one,
        replica(provider, store, store_seconds=fifth) as two,
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.tries)
            await trio.sleep(tenths / 10)
            one.die()
            await trio.sleep(5)
            lost = refresh_token(store) != provider.live
            told = await two.tries()
            nursery.cancel_scope.cancel()
        assert told.startswith("at-") or lost
        assert provider.revoked == lost


# Not shrunk: a smaller seed is no simpler a schedule.
@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(seed=st.integers(0, 2**32), count=st.integers(2, 4), kind=st.sampled_from(STORES))
def test_any_interleaving(seed: int, count: int, kind: type[MemoryStore]) -> None:
    random = Random(seed)
    store, provider = stored(kind), single_use(seconds=by_chance(random, 0, 3))
    told: list[str] = []

    async def run() -> None:
        async with AsyncExitStack() as stack:
            replicas = [
                await stack.enter_async_context(
                    replica(
                        provider,
                        store,
                        store_seconds=by_chance(random, 0, random.choice([0.01, 0.3, 1])),
                        ahead=random.uniform(0, CLOCKS),
                    )
                )
                for _ in range(count)
            ]

            async def login(r: Replica, after: float) -> None:
                await trio.sleep(after)
                told.append(await r.tries())

            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(login, random.choice(replicas), random.uniform(0, 20))

    trio.run(run, clock=PatientClock())
    assert provider.replays == 0
    assert len(told) == 20
    assert [t for t in told if not t.startswith("at-") and "other proxies" not in t] == []
    assert refresh_token(store) == provider.live


def test_owners_are_told_apart() -> None:
    assert new_owner() != new_owner()
    assert new_owner().isprintable()
    assert Record(lease_owner=new_owner()).to_options()["lease_owner"]
