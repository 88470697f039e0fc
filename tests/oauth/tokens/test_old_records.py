"""What becomes of records of older formats, and of damaged ones?"""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from emailproxy.failures import FailureKind
from emailproxy.oauth.sealing import derive_key
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.oauth.support import ACCOUNT, FEW, PASSWORD, failure, grant, sealed_record, token, unattended, unseal, world


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
