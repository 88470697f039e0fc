"""What an operator may ask of the broker, and a mail client may not."""

from __future__ import annotations

import pytest
import trio

from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.oauth.support import ACCOUNT, PASSWORD, WRONG, World, grant, sealed_record, unseal, world


async def consented(w: World, **how: bool) -> str:
    """Authorise while a person consents."""
    got: list[str] = []

    async def ask() -> None:
        got.append((await w.broker.authorise(ACCOUNT, how_password(how), **how)).value.reveal())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await w.person()
    return got[0]


def how_password(how: dict[str, bool]) -> Secret:
    return WRONG if how.get("replace") else PASSWORD


async def test_an_account_that_works_needs_nobody(clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=3600)) as w:
        assert (await w.broker.authorise(ACCOUNT, PASSWORD)).value.reveal() == "old-access"
        assert w.announced == []


async def test_again_asks_all_the_same(clock: PatientClock) -> None:
    async with world(grant("new-access", "new-refresh"), record=sealed_record(expires_in=3600)) as w:
        assert await consented(w, again=True) == "new-access"
        assert unseal(w.records.record, "refresh_token") == "new-refresh"


async def test_a_new_account(clock: PatientClock) -> None:
    async with world(grant("new-access", "new-refresh")) as w:
        assert await consented(w) == "new-access"


async def test_another_password_changes_nothing_unasked(clock: PatientClock) -> None:
    record = sealed_record(expires_in=3600)
    async with world(record=record) as w:
        with pytest.raises(LoginFailed) as caught:
            await w.broker.authorise(ACCOUNT, WRONG, again=True)
        assert caught.value.failure.kind is FailureKind.WRONG_CREDENTIALS
        assert w.announced == [], "nobody is asked to confirm a typing mistake"
        assert w.records.record == record


async def test_another_password_replaces_if_the_operator_says_so(clock: PatientClock) -> None:
    async with world(grant("new-access", "new-refresh"), record=sealed_record(expires_in=3600)) as w:
        assert await consented(w, replace=True) == "new-access"
        assert not w.announced[0].replaces, "the operator has confirmed it already"
        assert unseal(w.records.record, "refresh_token", WRONG) == "new-refresh"


async def test_but_not_where_it_opens_the_client_secret_too(clock: PatientClock) -> None:
    from dataclasses import replace

    record = sealed_record(client_secret_encrypted="sealed with the old password")
    async with world(record=record) as w:
        with pytest.raises(LoginFailed, match="client secret is sealed"):
            await w.broker.authorise(replace(ACCOUNT, client_secret=None), WRONG, replace=True)
        assert w.records.record == record
