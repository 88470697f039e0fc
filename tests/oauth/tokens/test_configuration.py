"""What is an operator told, and what never?"""

from __future__ import annotations

import logging

import pytest
import trio

from emailproxy.failures import FailureKind
from tests.clocks import PatientClock
from tests.oauth.support import (
    DOWN,
    PASSWORD,
    WRONG,
    failure,
    grant,
    kind,
    logins,
    redirect,
    refusal,
    sealed_record,
    unattended,
    world,
)


async def test_a_flow_that_is_not_offered_is_named(clock: PatientClock) -> None:
    async with world() as w:
        error = await failure(w, account=unattended("service_account"))
        assert error.failure.kind is FailureKind.MISCONFIGURED
        assert "service_account" in error.failure.detail
        assert "authorization_code, client_credentials, device, password" in error.failure.detail


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
