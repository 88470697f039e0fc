"""What does a wrong password do? Nothing, until somebody confirms that it is the new one."""

from __future__ import annotations

from dataclasses import replace

import trio

from emailproxy.failures import FailureKind
from emailproxy.oauth.consent import OutcomeKind
from emailproxy.oauth.sealing import derive_key
from emailproxy.secret import Secret
from emailproxy.store.base import Record
from tests.clocks import PatientClock
from tests.oauth.support import (
    ACCOUNT,
    FEW,
    KEEP,
    PASSWORD,
    WRONG,
    grant,
    kind,
    sealed_record,
    token,
    unattended,
    unseal,
    world,
)


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
