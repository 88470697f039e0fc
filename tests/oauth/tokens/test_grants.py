"""How does an account get its first tokens, or new ones when the old are dead?"""

from __future__ import annotations

import httpx2
import pytest
import trio

from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.consent import OutcomeKind
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.oauth.support import (
    ACCOUNT,
    FEW,
    PASSWORD,
    WRONG,
    failure,
    grant,
    kind,
    logins,
    query_of,
    redirect,
    refusal,
    sealed_record,
    token,
    unseal,
    world,
)


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
