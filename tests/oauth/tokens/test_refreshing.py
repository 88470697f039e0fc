"""When is a token refreshed, and what serves while it is not?"""

from __future__ import annotations

import httpx2
import pytest
import trio

from emailproxy.failures import FailureKind
from emailproxy.oauth.tokens import AccessToken
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.oauth.support import (
    ACCOUNT,
    DOWN,
    EPOCH,
    PASSWORD,
    grant,
    kind,
    refusal,
    sealed_record,
    token,
    unseal,
    world,
)


async def test_a_valid_stored_token_needs_no_request_and_no_write(clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=3600)) as w:
        got = await w.broker.token(ACCOUNT, PASSWORD)
        assert got == AccessToken(Secret("old-access"), EPOCH + 3600)
        for _ in range(5):
            await token(w)
        assert w.provider.requests == []
        assert w.journal == ["load"]


async def test_the_store_is_asked_again_after_a_minute(clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=7200)) as w:
        await token(w)
        w.records.put(sealed_record(access="from another process", expires_in=7300))
        assert await token(w) == "old-access"
        await trio.sleep(61)
        assert await token(w) == "from another process"


async def test_refresh_happens_600_seconds_ahead(clock: PatientClock) -> None:
    async with world(grant("fresh", expires_in=3600), record=sealed_record(expires_in=1000)) as w:
        await trio.sleep(399)
        assert await token(w) == "old-access"
        await trio.sleep(2)
        assert await token(w) == "fresh"
        assert w.provider.requests[0]["refresh_token"] == "old-refresh"
        assert await token(w) == "fresh"
        assert len(w.provider.requests) == 1


async def test_a_refreshed_token_is_stored_sealed(clock: PatientClock) -> None:
    async with world(grant("fresh"), record=sealed_record()) as w:
        await token(w)
        record = w.records.record
    assert unseal(record, "access_token") == "fresh"
    assert unseal(record, "refresh_token") == "old-refresh"
    assert record.access_token_expiry == pytest.approx(EPOCH + 3600, abs=2)
    assert record.last_activity == pytest.approx(EPOCH, abs=2)
    assert "fresh" not in str(record.access_token)


async def test_ten_callers_one_request(clock: PatientClock) -> None:
    async def slow(form: dict[str, str]) -> httpx2.Response:
        await trio.sleep(3)
        return grant("fresh")

    got: list[str] = []
    async with world(slow, record=sealed_record()) as w:

        async def one() -> None:
            got.append(await token(w))

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(one)
        assert got == ["fresh"] * 10
        assert len(w.provider.requests) == 1
        assert w.journal.count("save") == 1


async def test_a_caller_that_gives_up_does_not_end_the_flight(clock: PatientClock) -> None:
    async def slow(form: dict[str, str]) -> httpx2.Response:
        await trio.sleep(10)
        return grant("fresh")

    async with world(slow, record=sealed_record()) as w:
        with trio.move_on_after(1) as scope:
            await token(w)
        assert scope.cancelled_caught
        assert await token(w) == "fresh"
        assert len(w.provider.requests) == 1


async def test_a_rotated_refresh_token_is_stored_before_the_new_token_is_used(clock: PatientClock) -> None:
    async with world(grant("fresh", "rotated"), record=sealed_record()) as w:

        async def slow_disk() -> None:
            await trio.sleep(5)

        w.records.before_save = slow_disk
        assert await token(w) == "fresh"
        w.journal.append("used")
        assert w.journal == ["load", "load_fresh", "token request refresh_token", "save", "used"]
        assert unseal(w.records.record, "refresh_token") == "rotated"


async def test_the_rotated_one_is_used_next(clock: PatientClock) -> None:
    answers = grant("one", "rt-1", 1), grant("two", "rt-2", 1), grant("three")
    async with world(*answers, record=sealed_record()) as w:
        assert [await token(w) for _ in range(3)] == ["one", "two", "three"]
        assert [r["refresh_token"] for r in w.provider.requests] == ["old-refresh", "rt-1", "rt-2"]


async def test_an_old_token_serves_while_the_provider_is_down(
    clock: PatientClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(DOWN, DOWN, record=sealed_record(expires_in=300)) as w:
        assert await token(w) == "old-access"
    assert "the old token is good for another" in caplog.text


async def test_an_old_token_serves_while_the_provider_hangs(clock: PatientClock) -> None:
    async def hang(form: dict[str, str]) -> httpx2.Response:
        await trio.sleep_forever()
        raise AssertionError

    async with world(hang, hang, record=sealed_record(expires_in=300)) as w:
        started = trio.current_time()
        assert await token(w) == "old-access"
        assert trio.current_time() - started == pytest.approx(5, abs=0.5)


async def test_without_an_old_token_an_outage_is_temporary(clock: PatientClock) -> None:
    async with world(DOWN, DOWN, grant("fresh"), record=sealed_record()) as w:
        assert await kind(w) is FailureKind.TEMPORARY
        assert await token(w) == "fresh"
        assert unseal(w.records.record, "refresh_token") == "old-refresh"


async def test_a_token_about_to_expire_does_not_serve(clock: PatientClock) -> None:
    async with world(DOWN, DOWN, record=sealed_record(expires_in=5)) as w:
        assert await kind(w) is FailureKind.TEMPORARY


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refusal("invalid_client", 401), FailureKind.MISCONFIGURED),
        (refusal("invalid_scope"), FailureKind.MISCONFIGURED),
        (refusal("temporarily_unavailable"), FailureKind.TEMPORARY),
        (httpx2.Response(429), FailureKind.TEMPORARY),
    ],
)
async def test_errors_that_do_not_concern_the_grant_leave_it_alone(
    answer: httpx2.Response, expected: FailureKind, clock: PatientClock
) -> None:
    async with world(answer, grant("fresh"), record=sealed_record()) as w:
        before = w.records.record
        assert await kind(w) is expected
        assert w.records.record == before
        assert w.consents.pending() == ()
        assert await token(w) == "fresh"
