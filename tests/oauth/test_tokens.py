from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import trio

from emailproxy.config.model import Account, SealedSecret, Settings
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.consent import OutcomeKind
from emailproxy.oauth.sealing import derive_key
from emailproxy.oauth.tokens import LAST_REQUESTS, AccessToken
from emailproxy.secret import Secret
from emailproxy.store.base import Record, StoreDeniedError, StoreUnavailableError
from tests.clocks import PatientClock

from .support import (
    ACCOUNT,
    EPOCH,
    FEW,
    PASSWORD,
    WRONG,
    World,
    grant,
    query_of,
    redirect,
    refusal,
    sealed_record,
    unattended,
    unseal,
    world,
)

DOWN = httpx2.Response(503)
KEEP = Settings(delete_account_token_on_password_error=False)


@pytest.fixture
def clock(patient_clock: PatientClock) -> PatientClock:
    """Virtual time in every test of this file; pytest-trio wants to see it among the arguments."""
    return patient_clock


async def token(w: World, password: Secret = PASSWORD, account: Account = ACCOUNT, **more: Any) -> str:
    return (await w.broker.token(account, password, **more)).value.reveal()


async def failure(w: World, password: Secret = PASSWORD, account: Account = ACCOUNT, **more: Any) -> LoginFailed:
    with pytest.raises(LoginFailed) as caught:
        await w.broker.token(account, password, **more)
    told = caught.value.failure
    assert told.text.isascii()
    assert told.detail.isprintable()
    for secret in ("the-client-secret", PASSWORD.reveal(), WRONG.reveal(), "old-refresh", "old-access"):
        assert secret not in told.detail
    return caught.value


async def kind(w: World, password: Secret = PASSWORD, account: Account = ACCOUNT, **more: Any) -> FailureKind:
    return (await failure(w, password, account, **more)).failure.kind


# --- memory, expiry, refresh ------------------------------------------------------------------------------------------


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


# --- a token that the mail server refused -----------------------------------------------------------------------------


async def test_a_refused_token_is_refreshed_once_and_not_returned_again(clock: PatientClock) -> None:
    async with world(grant("fresh"), record=sealed_record(expires_in=3600)) as w:
        old = await w.broker.token(ACCOUNT, PASSWORD)
        got: list[str] = []

        async def one() -> None:
            got.append(await token(w, refused=old))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(one)
        assert got == ["fresh"] * 5
        assert await token(w, refused=old) == "fresh"
        assert len(w.provider.requests) == 1


async def test_a_refused_token_does_not_serve_during_an_outage(clock: PatientClock) -> None:
    async with world(DOWN, DOWN, record=sealed_record(expires_in=3600)) as w:
        old = await w.broker.token(ACCOUNT, PASSWORD)
        assert await kind(w, refused=old) is FailureKind.TEMPORARY


async def test_a_provider_that_gives_the_refused_token_again(clock: PatientClock) -> None:
    async with world(grant("old-access"), grant("old-access"), record=sealed_record(expires_in=3600)) as w:
        old = await w.broker.token(ACCOUNT, PASSWORD)
        error = await failure(w, refused=old)
        assert error.failure.kind is FailureKind.MISCONFIGURED
        assert "same one again" in error.failure.detail


async def test_refused_tokens_cannot_become_a_storm_of_requests(clock: PatientClock) -> None:
    answers = [grant(f"fresh {n}") for n in range(10)]
    async with world(*answers, record=sealed_record(expires_in=3600)) as w:
        last = await w.broker.token(ACCOUNT, PASSWORD)
        for _ in range(5):
            last = await w.broker.token(ACCOUNT, PASSWORD, refused=last)
        assert await kind(w, refused=last) is FailureKind.TEMPORARY
        assert len(w.provider.requests) == 5
        await trio.sleep(61)
        await w.broker.token(ACCOUNT, PASSWORD, refused=last)


async def test_a_flow_without_refresh_fetches_another(clock: PatientClock) -> None:
    account = unattended("client_credentials")
    async with world(grant("one"), grant("two")) as w:
        one = await w.broker.token(account, PASSWORD)
        assert await token(w, account=account, refused=one) == "two"


# --- the store fails --------------------------------------------------------------------------------------------------


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


# --- other replicas ---------------------------------------------------------------------------------------------------


async def test_another_replica_that_refreshed_already_saves_the_request(clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=601)) as w:
        await token(w)
        w.records.put(sealed_record(access="theirs", refresh="their-refresh", expires_in=3600))
        await trio.sleep(10)
        assert await token(w) == "theirs"
        assert w.provider.requests == []


@pytest.mark.parametrize(("theirs", "winner"), [(9000, "theirs"), (100, "fresh")])
async def test_a_conflict_is_won_by_the_newer_token(clock: PatientClock, theirs: int, winner: str) -> None:
    async with world(grant("fresh", "rotated"), record=sealed_record()) as w:

        async def interfere() -> None:
            w.records.before_save = None
            w.records.put(sealed_record(access="theirs", refresh="their-refresh", expires_in=theirs))

        w.records.before_save = interfere
        assert await token(w) == winner
        assert "conflict" in w.journal
        assert unseal(w.records.record, "access_token") == winner


async def test_a_password_changed_elsewhere_meanwhile_is_not_overwritten(clock: PatientClock) -> None:
    async with world(grant("fresh", "rotated"), record=sealed_record()) as w:
        theirs = sealed_record(password=WRONG, access="theirs", expires_in=9000, salt=b"t" * 16)

        async def interfere() -> None:
            w.records.before_save = None
            w.records.put(theirs)

        w.records.before_save = interfere
        assert await kind(w) is FailureKind.WRONG_CREDENTIALS
        assert w.records.record == theirs
        assert await token(w, WRONG) == "theirs"


async def test_invalid_grant_looks_for_a_newer_refresh_token_first(clock: PatientClock) -> None:
    async with world(record=sealed_record()) as w:

        async def rotated_elsewhere(form: dict[str, str]) -> httpx2.Response:
            w.records.put(sealed_record(refresh="their-refresh"))
            return refusal("invalid_grant")

        w.provider.answers = [rotated_elsewhere, grant("fresh")]
        assert await token(w) == "fresh"
        assert [r["refresh_token"] for r in w.provider.requests] == ["old-refresh", "their-refresh"]
        assert w.consents.pending() == ()


# --- a person ---------------------------------------------------------------------------------------------------------


async def logins(w: World, nursery: trio.Nursery, count: int, password: Secret = PASSWORD) -> list[str]:
    """Start logins; what they get appears in the list."""
    got: list[str] = []

    async def one() -> None:
        got.append(await token(w, password))

    for _ in range(count):
        nursery.start_soon(one)
    await w.somebody_is_asked()
    return got


async def test_the_first_login_asks_a_person_once(clock: PatientClock) -> None:
    async with world(grant("first", "first-refresh")) as w, trio.open_nursery() as nursery:
        got = await logins(w, nursery, 10)
        outcome = await w.person()
        assert outcome.kind is OutcomeKind.AUTHORISED
        assert len(w.announced) == 1
        await trio.sleep(0.1)
        assert got == ["first"] * 10
        assert len(w.provider.requests) == 1
        assert w.provider.requests[0]["code"] == "the-code"
    record = w.records.record
    assert (record.token_iterations, unseal(record, "refresh_token")) == (FEW.current, "first-refresh")


async def test_the_page_comes_after_code_exchange_and_save(clock: PatientClock) -> None:
    async def slow(form: dict[str, str]) -> httpx2.Response:
        await trio.sleep(3)
        return grant("first")

    async with world(slow) as w, trio.open_nursery() as nursery:
        await logins(w, nursery, 1)
        await w.person()
        assert w.journal[-1] == "save"


async def test_a_login_that_gave_up_finds_its_token_later(clock: PatientClock) -> None:
    async with world(grant("first")) as w:
        with trio.move_on_after(60):
            await token(w)
        await w.person()
        assert await token(w) == "first"
        assert len(w.provider.requests) == 1


async def test_reminders_for_logins_that_wait(clock: PatientClock) -> None:
    async with world() as w:
        for _ in range(12):  # for two minutes
            with trio.move_on_after(10):
                await token(w)
        assert 2 <= len(w.announced) <= 3
        assert len(set(map(id, w.announced))) == 1


async def test_a_consent_that_expired_is_asked_for_again(clock: PatientClock) -> None:
    async with world() as w:
        assert await kind(w) is FailureKind.TEMPORARY
        with trio.move_on_after(1):
            await token(w)
        assert len({p.url for p in w.announced}) == 2


async def test_denied(clock: PatientClock) -> None:
    async with world() as w, trio.open_nursery() as nursery:
        kinds: list[FailureKind] = []

        async def login() -> None:
            kinds.append(await kind(w))

        nursery.start_soon(login)
        await w.somebody_is_asked()
        state = query_of(w.consents.pending()[0].url)["state"]
        outcome = await w.consents.complete(f"{ACCOUNT.redirect_uri}?error=access_denied&state={state}")
        assert (outcome.kind, len(outcome.reference)) == (OutcomeKind.DENIED, 4)
        await trio.sleep(0.1)
        assert kinds == [FailureKind.TEMPORARY]
        assert w.provider.requests == []


async def test_a_failed_exchange_is_told_to_browser_and_log_with_one_reference(
    clock: PatientClock, caplog: pytest.LogCaptureFixture
) -> None:
    no_secret = refusal("invalid_client", 401, error_codes=[7000218], error_description="AADSTS7000218: ...")
    async with world(no_secret) as w, trio.open_nursery() as nursery:
        errors: list[LoginFailed] = []

        async def login() -> None:
            errors.append(await failure(w))

        nursery.start_soon(login)
        outcome = await w.person()
        await trio.sleep(0.1)
        assert outcome.kind is OutcomeKind.FAILED
        assert errors[0].failure.kind is FailureKind.MISCONFIGURED
        assert errors[0].failure.reference == outcome.reference
        assert outcome.reference in caplog.text
        assert "public client flows" in caplog.text
        assert "AADSTS" not in outcome.message


async def test_a_dead_refresh_token_asks_a_person_and_is_kept_until_then(clock: PatientClock) -> None:
    dead = refusal("invalid_grant", error_description="gone\r\nFAKE")
    async with world(dead, grant("second", "second-refresh"), record=sealed_record()) as w:
        before = w.records.record
        async with trio.open_nursery() as nursery:
            got = await logins(w, nursery, 3)
            assert w.records.record == before
            await w.person()
            await trio.sleep(0.1)
            assert got == ["second"] * 3
        assert len(w.provider.requests) == 2
        assert unseal(w.records.record, "refresh_token") == "second-refresh"
        assert w.records.record.token_salt == before.token_salt


async def test_a_dead_refresh_token_is_not_tried_again(clock: PatientClock) -> None:
    async with world(refusal("invalid_grant"), record=sealed_record()) as w:
        assert await kind(w) is FailureKind.TEMPORARY  # nobody came
        assert await kind(w) is FailureKind.TEMPORARY
        assert len(w.provider.requests) == 1


async def test_a_dead_refresh_token_with_a_good_access_token_serves_and_asks(clock: PatientClock) -> None:
    async with world(refusal("invalid_grant"), record=sealed_record(expires_in=300)) as w:
        assert await token(w) == "old-access"
        await trio.sleep(0.1)
        assert len(w.consents.pending()) == 1
        assert await token(w) == "old-access"
        assert len(w.provider.requests) == 1


async def test_tokens_of_another_replica_end_the_wait(clock: PatientClock) -> None:
    async with world(refusal("invalid_grant"), record=sealed_record()) as w:
        with trio.move_on_after(60):
            await token(w)
        w.records.put(sealed_record(access="theirs", expires_in=9000))
        await trio.sleep(61)
        assert await token(w) == "theirs"


async def test_two_first_passwords_have_an_authorisation_each_and_the_first_completed_wins(clock: PatientClock) -> None:
    async with world(grant("first")) as w:
        with trio.move_on_after(1):
            await token(w, PASSWORD)
        with trio.move_on_after(1):
            await token(w, WRONG)
        mine, guess = w.consents.pending()
        assert mine.url != guess.url
        assert (await w.consents.complete(redirect(mine))).kind is OutcomeKind.AUTHORISED
        assert w.consents.pending() == ()
        assert (await w.consents.complete(redirect(guess))).kind is not OutcomeKind.AUTHORISED
        assert await token(w, PASSWORD) == "first"
        assert await kind(w, WRONG) is FailureKind.WRONG_CREDENTIALS


async def test_too_many_first_passwords(clock: PatientClock) -> None:
    async with world() as w:
        for number in range(4):
            with trio.move_on_after(1):
                await token(w, Secret(f"password {number}"))
        assert await kind(w, Secret("another")) is FailureKind.TEMPORARY
        assert len(w.consents.pending()) == 4


# --- a wrong password -------------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_refused_and_harmless(clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=3600), settings=KEEP) as w:
        before = w.records.record
        for _ in range(3):
            assert await kind(w, WRONG) is FailureKind.WRONG_CREDENTIALS
        assert await token(w) == "old-access"
        assert w.records.record == before
        assert (w.consents.pending(), w.provider.requests) == ((), [])


async def test_an_empty_password_is_refused(clock: PatientClock) -> None:
    async with world() as w:
        assert await kind(w, Secret("")) is FailureKind.WRONG_CREDENTIALS


async def test_a_wrong_password_marks_the_account_and_the_right_one_goes_on(clock: PatientClock) -> None:
    answers = grant("for the new password", "new-refresh"), grant("never")
    async with world(*answers, record=sealed_record(expires_in=3600)) as w:
        before = w.records.record
        assert await kind(w, WRONG, client="192.0.2.9") is FailureKind.WRONG_CREDENTIALS
        await trio.sleep(0.1)
        (pending,) = w.consents.pending()
        assert (pending.replaces, pending.client) == (True, "192.0.2.9")
        assert await kind(w, WRONG) is FailureKind.WRONG_CREDENTIALS
        assert await token(w) == "old-access"
        assert w.records.record == before
        # Signing in is not enough: the person is asked whether the password was changed.
        assert (await w.person()).kind is OutcomeKind.UNCONFIRMED
        assert (w.records.record, w.provider.requests) == (before, [])
        assert await token(w) == "old-access"
        assert (await w.person(confirmed=True)).kind is OutcomeKind.AUTHORISED
        assert await token(w, WRONG) == "for the new password"
        assert await kind(w, PASSWORD) is FailureKind.WRONG_CREDENTIALS
        assert w.records.record.token_salt != before.token_salt
        assert unseal(w.records.record, "refresh_token", WRONG) == "new-refresh"


async def test_wrong_passwords_cannot_flood_the_person(clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=3600)) as w:
        for number in range(20):
            assert await kind(w, Secret(f"guess {number}")) is FailureKind.WRONG_CREDENTIALS
            await trio.sleep(0.1)
        assert len(w.consents.pending()) == 2
        assert len(w.announced) == 2
        assert await token(w) == "old-access"


async def test_an_abandoned_mark_changes_nothing(clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=3600)) as w:
        before = w.records.record
        await kind(w, WRONG)
        await trio.sleep(1000)
        assert w.consents.pending() == ()
        assert await token(w) == "old-access"
        assert w.records.record == before


async def test_client_credentials_always_refuse_a_wrong_password(clock: PatientClock) -> None:
    account = unattended("client_credentials")
    async with world(grant("fresh"), record=sealed_record(refresh=None)) as w:
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert w.provider.requests == []
        assert await token(w, account=account) == "fresh"
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS


async def test_the_client_secret_alone_guards_an_account_too(clock: PatientClock) -> None:
    key = derive_key(PASSWORD, b"0123456789abcdef", FEW.current)
    record = Record(
        token_salt=key.salt_text,
        token_iterations=FEW.current,
        client_secret_encrypted=key.seal(Secret("sealed-secret")),
    )
    account = unattended("client_credentials", client_secret=None)
    async with world(grant("fresh"), record=record) as w:
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert await token(w, account=account) == "fresh"
        assert w.provider.requests[0]["client_secret"] == "sealed-secret"
        assert unseal(w.records.record, "client_secret_encrypted") == "sealed-secret"


async def test_a_wrong_password_cannot_replace_a_sealed_client_secret(clock: PatientClock) -> None:
    key = derive_key(PASSWORD, b"0123456789abcdef", FEW.current)
    record = sealed_record(expires_in=3600, client_secret_encrypted=key.seal(Secret("sealed-secret")))
    async with world(record=record) as w:
        account = replace(ACCOUNT, client_secret=None)
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        await trio.sleep(0.1)
        assert w.consents.pending() == ()


# --- a client secret that a catch-all section holds, sealed -----------------------------------------------------------


def inheriting(flow: str = "client_credentials", password: Secret = PASSWORD, iterations: int = FEW.current) -> Account:
    """An account that has no secret of its own."""
    key = derive_key(password, b"the template's", iterations)
    secret = SealedSecret(key.seal(Secret("inherited-secret")), key.salt_text, iterations)
    return unattended(flow, client_secret=None, inherited_secret=secret)


@pytest.mark.parametrize("iterations", [FEW.current, FEW.legacy, 15])
async def test_an_inherited_secret_is_used_and_not_copied(clock: PatientClock, iterations: int) -> None:
    account = inheriting(iterations=iterations)
    async with world(grant("one", expires_in=1), grant("two")) as w:
        assert await token(w, account=account) == "one"
        assert await token(w, account=account) == "two"
        assert [r["client_secret"] for r in w.provider.requests] == ["inherited-secret"] * 2
        assert w.records.record.client_secret_encrypted is None
        # One key opens both, in the classic proxy too.
        assert account.inherited_secret is not None
        assert w.records.record.token_salt == account.inherited_secret.token_salt
        assert unseal(w.records.record, "access_token") == "two"


async def test_an_inherited_secret_guards_accounts_that_have_nothing_yet(clock: PatientClock) -> None:
    async with world(grant("fresh")) as w:
        assert await kind(w, WRONG, inheriting()) is FailureKind.WRONG_CREDENTIALS
        assert await kind(w, WRONG, inheriting("password")) is FailureKind.WRONG_CREDENTIALS
        assert w.provider.requests == []
        assert await token(w, account=inheriting()) == "fresh"
        assert await kind(w, WRONG, inheriting("password")) is FailureKind.WRONG_CREDENTIALS
        assert len(w.provider.requests) == 1


async def test_a_plain_secret_goes_before_an_inherited_one(clock: PatientClock) -> None:
    account = replace(inheriting(), client_secret=Secret("plain"))
    async with world(grant("fresh")) as w:
        assert await token(w, WRONG, account) == "fresh"
        assert w.provider.requests[0]["client_secret"] == "plain"


async def test_an_inherited_secret_of_another_password_is_a_mistake_in_the_file(clock: PatientClock) -> None:
    account = inheriting(password=WRONG)
    async with world(record=sealed_record(refresh=None)) as w:
        told = (await failure(w, account=account)).failure
        assert told.kind is FailureKind.MISCONFIGURED
        assert "catch-all section is sealed with another password" in told.detail
        assert w.provider.requests == []


async def test_an_inherited_secret_without_a_usable_salt(clock: PatientClock) -> None:
    account = replace(inheriting(), inherited_secret=SealedSecret("gAAAAA", "x", FEW.current))
    async with world() as w:
        told = (await failure(w, account=account)).failure
        assert told.kind is FailureKind.MISCONFIGURED
        assert "token_salt" in told.detail


# --- the password flow ------------------------------------------------------------------------------------------------


async def test_the_password_flow_lets_the_provider_judge(clock: PatientClock) -> None:
    account = unattended("password")
    answers = (
        grant("for the first password"),
        refusal("invalid_grant", error_codes=[50126]),
        grant("for the changed password"),
    )
    async with world(*answers) as w:
        assert await token(w, account=account) == "for the first password"
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert len(w.provider.requests) == 2, "a wrong password is not sent again and again"
        assert await token(w, account=account) == "for the first password"
        assert await token(w, Secret("changed"), account) == "for the changed password"
        assert unseal(w.records.record, "access_token", Secret("changed")) == "for the changed password"


async def test_the_password_flow_judges_here_if_told_so(clock: PatientClock) -> None:
    account = unattended("password")
    async with world(record=sealed_record(expires_in=3600), settings=KEEP) as w:
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert w.provider.requests == []


async def test_a_dead_refresh_token_of_the_password_flow_needs_nobody(clock: PatientClock) -> None:
    account = unattended("password")
    async with world(refusal("invalid_grant"), grant("again", "rt"), record=sealed_record()) as w:
        assert await token(w, account=account) == "again"
        assert [r["grant_type"] for r in w.provider.requests] == ["refresh_token", "password"]


async def test_the_first_password_of_the_password_flow_may_be_wrong(clock: PatientClock) -> None:
    account = unattended("password")
    async with world(refusal("invalid_grant"), grant("right")) as w:
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert w.records.stored == {}
        assert await token(w, account=account) == "right"


# --- client secrets ---------------------------------------------------------------------------------------------------


async def test_the_login_password_as_client_secret(clock: PatientClock) -> None:
    account = unattended("client_credentials", client_secret=None)
    settings = Settings(use_login_password_as_client_credentials_secret=True)
    async with world(refusal("invalid_client", 401, error_codes=[7000215]), grant("ok"), settings=settings) as w:
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert await token(w, account=account) == "ok"
        assert [r["client_secret"] for r in w.provider.requests] == [WRONG.reveal(), PASSWORD.reveal()]


async def test_without_that_switch_the_secret_is_missing(clock: PatientClock) -> None:
    account = unattended("client_credentials", client_secret=None)
    async with world() as w:
        assert await kind(w, account=account) is FailureKind.MISCONFIGURED


async def test_the_client_secret_is_sealed_on_first_use(clock: PatientClock) -> None:
    settings = Settings(encrypt_client_secret_on_first_use=True)
    async with world(grant("one", expires_in=1), grant("two"), record=sealed_record(), settings=settings) as w:
        await token(w)
        assert unseal(w.records.record, "client_secret_encrypted") == "the-client-secret"
        # The file store removed the plain one; the sealed one is used from now on.
        await token(w, account=replace(ACCOUNT, client_secret=None))
        assert w.provider.requests[1]["client_secret"] == "the-client-secret"


async def test_a_plain_secret_beside_a_sealed_one_wins_and_is_sealed(clock: PatientClock) -> None:
    key = derive_key(PASSWORD, b"0123456789abcdef", FEW.current)
    record = sealed_record(client_secret_encrypted=key.seal(Secret("previous")))
    async with world(grant("fresh"), record=record) as w:
        await token(w)
        assert w.provider.requests[0]["client_secret"] == "the-client-secret"
        assert unseal(w.records.record, "client_secret_encrypted") == "the-client-secret"


async def test_the_secret_stays_plain_unless_told_otherwise(clock: PatientClock) -> None:
    async with world(grant("fresh"), record=sealed_record()) as w:
        await token(w)
        assert w.records.record.client_secret_encrypted is None


# --- records of other times -------------------------------------------------------------------------------------------


async def test_an_old_iteration_count_is_rotated_behind_the_first_login(clock: PatientClock) -> None:
    key = derive_key(PASSWORD, b"0123456789abcdef", FEW.legacy)
    record = sealed_record(
        expires_in=3600, iterations=FEW.legacy, client_secret_encrypted=key.seal(Secret("sealed-secret"))
    )
    async with world(record=replace(record, token_iterations=None)) as w:
        assert await token(w, account=replace(ACCOUNT, client_secret=None)) == "old-access"
        await trio.sleep(1)
        rotated = w.records.record
        assert rotated.token_iterations == FEW.current
        assert rotated.token_salt == record.token_salt
        for name, value in (
            ("access_token", "old-access"),
            ("refresh_token", "old-refresh"),
            ("client_secret_encrypted", "sealed-secret"),
        ):
            assert unseal(rotated, name) == value
        assert await token(w) == "old-access"
        await trio.sleep(100)
        assert await token(w) == "old-access"
        assert w.journal.count("save") == 1
        assert w.provider.requests == []


async def test_a_rotation_and_a_refresh_at_once_lose_nothing(clock: PatientClock) -> None:
    record = replace(sealed_record(iterations=FEW.legacy), token_iterations=None)
    async with world(grant("fresh", "rotated"), record=record) as w:
        assert await token(w) == "fresh"
        await trio.sleep(10)
        assert unseal(w.records.record, "refresh_token") == "rotated"
        assert unseal(w.records.record, "access_token") == "fresh"
        assert await token(w) == "fresh"


async def test_a_record_without_usable_salt_asks_anew(clock: PatientClock) -> None:
    async with world(record=sealed_record(token_salt="my own salt")) as w:
        with trio.move_on_after(1):
            await token(w)
        assert len(w.consents.pending()) == 1
        assert not w.consents.pending()[0].replaces


async def test_a_record_without_usable_salt_is_an_error_where_nobody_can_be_asked(clock: PatientClock) -> None:
    async with world(record=sealed_record(token_salt=None)) as w:
        error = await failure(w, account=unattended("client_credentials"))
        assert error.failure.kind is FailureKind.MISCONFIGURED
        assert "token_salt" in error.failure.detail


async def test_a_record_that_was_removed_is_gone(clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=3600)) as w:
        await token(w)
        w.records.stored.clear()
        await trio.sleep(61)
        with trio.move_on_after(1):
            await token(w)
        assert len(w.consents.pending()) == 1


async def test_a_value_that_does_not_open_is_ignored(clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    async with world(grant("fresh"), record=sealed_record(expires_in=3600, access_token="garbage")) as w:
        assert await token(w) == "fresh"
    assert "access_token does not open" in caplog.text


# --- configuration ----------------------------------------------------------------------------------------------------


async def test_a_flow_that_is_not_offered_is_named(clock: PatientClock) -> None:
    async with world() as w:
        error = await failure(w, account=unattended("device"))
        assert error.failure.kind is FailureKind.MISCONFIGURED
        assert "device" in error.failure.detail
        assert "authorization_code, client_credentials, password" in error.failure.detail


async def test_certificate_credentials_are_not_offered_yet(clock: PatientClock) -> None:
    from pathlib import Path

    account = unattended("client_credentials", client_secret=None, jwt_certificate_path=Path("cert.pem"))
    async with world() as w:
        assert "jwt_" in (await failure(w, account=account)).failure.detail


async def test_no_refresh_token_is_explained(clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    async with world(grant("first")) as w, trio.open_nursery() as nursery:
        await logins(w, nursery, 1)
        await w.person()
    assert "offline_access" in caplog.text


async def test_nothing_secret_is_logged(clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with world(DOWN, DOWN, refusal("invalid_grant"), grant("second-token", "rt"), record=sealed_record()) as w:
        await kind(w)
        await kind(w, WRONG)
        async with trio.open_nursery() as nursery:
            await logins(w, nursery, 1)
            await w.somebody_is_asked(times=2)
            for pending in w.consents.pending():
                await w.consents.complete(redirect(pending))
    for secret in ("the-client-secret", PASSWORD.reveal(), WRONG.reveal(), "old-refresh", "the-code", "second-token"):
        assert secret not in caplog.text
