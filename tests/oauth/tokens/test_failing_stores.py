"""What happens to tokens while the store fails, and when the broker closes?"""

from __future__ import annotations

import httpx2
import pytest
import trio

from emailproxy.failures import FailureKind
from emailproxy.oauth.tokens import LAST_REQUESTS
from emailproxy.store.base import StoreDeniedError, StoreUnavailableError
from tests.clocks import PatientClock
from tests.oauth.support import WRONG, grant, kind, sealed_record, token, unseal, world


async def test_a_save_that_fails_is_repeated_until_it_works(
    clock: PatientClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(grant("fresh", "rotated"), record=sealed_record()) as w:
        w.records.save_errors = [StoreUnavailableError("disk full")] * 3
        assert await token(w) == "fresh", "the token in hand is good"
        assert "could not be stored" in caplog.text
        assert unseal(w.records.record, "refresh_token") == "old-refresh"
        assert await token(w) == "fresh", "memory is the truth now"
        assert await kind(w, WRONG) is FailureKind.WRONG_CREDENTIALS
        await trio.sleep(2 + 4 + 8 + 1)
        assert w.journal.count("save failed") == 3
        assert unseal(w.records.record, "refresh_token") == "rotated"
        assert len(w.provider.requests) == 1


async def test_what_is_unsaved_is_saved_on_the_way_out(clock: PatientClock) -> None:
    async with world(grant("fresh", "rotated"), record=sealed_record()) as w:
        w.records.save_errors = [StoreUnavailableError("down")]
        await token(w)
        assert w.journal[-1] == "save failed"
    assert unseal(w.records.record, "refresh_token") == "rotated"


async def test_an_unsaved_rotated_token_is_refreshed_from_memory(clock: PatientClock) -> None:
    async with world(grant("one", "rt-1", 1), grant("two", "rt-2"), record=sealed_record()) as w:
        w.records.save_errors = [StoreUnavailableError("down")] * 2
        assert await token(w) == "one"
        assert await token(w) == "two"
        assert w.provider.requests[1]["refresh_token"] == "rt-1"
    assert unseal(w.records.record, "refresh_token") == "rt-2"


async def test_a_save_under_way_is_finished_when_the_broker_closes(clock: PatientClock) -> None:
    async with world(grant("fresh", "rotated"), record=sealed_record()) as w:
        begun = trio.Event()

        async def slow_disk() -> None:
            begun.set()
            await trio.sleep(5)

        w.records.before_save = slow_disk
        async with trio.open_nursery() as nursery:
            nursery.start_soon(token, w)
            await begun.wait()
            nursery.cancel_scope.cancel()
    assert unseal(w.records.record, "refresh_token") == "rotated"


async def test_a_rotation_under_way_reaches_the_store_when_the_broker_closes(clock: PatientClock) -> None:
    """The provider has voided the old refresh token when it answers: to hang up on it would lose the account."""
    asked = trio.Event()

    async def slow(form: dict[str, str]) -> httpx2.Response:
        asked.set()
        await trio.sleep(3)
        return grant("fresh", "rotated")

    async with world(slow, record=sealed_record()) as w, trio.open_nursery() as nursery:
        nursery.start_soon(token, w)
        await asked.wait()
        nursery.cancel_scope.cancel()
    assert unseal(w.records.record, "refresh_token") == "rotated"


async def test_a_provider_that_hangs_does_not_hold_the_end(clock: PatientClock) -> None:
    asked = trio.Event()

    async def never(form: dict[str, str]) -> httpx2.Response:
        asked.set()
        await trio.sleep_forever()
        raise AssertionError

    async with world(never, record=sealed_record()) as w, trio.open_nursery() as nursery:
        nursery.start_soon(token, w)
        await asked.wait()
        nursery.cancel_scope.cancel()
        closed = trio.current_time()
    assert trio.current_time() - closed <= LAST_REQUESTS + 1


async def test_a_store_that_cannot_be_read(clock: PatientClock) -> None:
    async with world(record=sealed_record()) as w:
        w.records.load_errors = [StoreUnavailableError("down"), StoreDeniedError("no permission")]
        assert await kind(w) is FailureKind.TEMPORARY
        assert await kind(w) is FailureKind.MISCONFIGURED
        assert w.consents.pending() == ()
        assert "save" not in w.journal


async def test_memory_serves_while_the_store_cannot_be_read(clock: PatientClock) -> None:
    async with world(grant("fresh"), record=sealed_record(expires_in=700)) as w:
        await token(w)
        await trio.sleep(70)
        w.records.load_errors = [StoreUnavailableError("down")] * 2
        assert await token(w) == "old-access"
        await trio.sleep(70)
        w.records.load_errors = [StoreUnavailableError("down")] * 2
        assert await token(w) == "fresh"
