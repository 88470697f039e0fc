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
        error = await failure(w, account=unattended("implicit"))
        assert error.failure.kind is FailureKind.MISCONFIGURED
        assert "implicit" in error.failure.detail
        assert "authorization_code, client_credentials, device, password, service_account" in error.failure.detail


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
