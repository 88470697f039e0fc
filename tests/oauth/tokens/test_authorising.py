"""What an operator may ask of the broker, and a mail client may not."""

from __future__ import annotations

import pytest
import trio

from emailproxy.config.model import Settings
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.consent import OutcomeKind, Pending
from emailproxy.oauth.tokens import AccessToken
from emailproxy.secret import Secret
from emailproxy.store.base import Record, StoreUnavailableError
from tests.clocks import PatientClock
from tests.oauth.managing_support import MANAGED, PHONE, entry, managed_record, opened
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


async def test_begun_it_goes_on_alone(clock: PatientClock) -> None:
    async with world(grant("new-access", "new-refresh")) as w:
        begun = await w.broker.begin(ACCOUNT, PASSWORD)
        assert begun is w.consents.pending()[0]
        assert await w.broker.begin(ACCOUNT, PASSWORD) is begun, "whoever asks again gets the same"
        assert (await w.person()).kind is OutcomeKind.AUTHORISED
        token = await w.broker.begin(ACCOUNT, PASSWORD)
        assert isinstance(token, AccessToken)
        assert token.value.reveal() == "new-access"


async def test_begun_in_vain(clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=3600)) as w:
        with pytest.raises(LoginFailed) as caught:
            await w.broker.begin(ACCOUNT, WRONG)
        assert caught.value.failure.kind is FailureKind.WRONG_CREDENTIALS
        assert isinstance(await w.broker.begin(ACCOUNT, WRONG, replace=True), Pending)


@pytest.mark.parametrize("settings", [Settings(), MANAGED], ids=["no-key", "key"])
@pytest.mark.parametrize("record", [None, Record(), sealed_record()], ids=["none", "empty", "sealed"])
async def test_without_a_password_a_compatible_account_is_left_alone(
    clock: PatientClock, record: Record | None, settings: Settings
) -> None:
    """Otherwise a password that nobody knows would seal its tokens."""
    async with world(record=record, settings=settings) as w:
        for again in (False, True):
            with pytest.raises(LoginFailed):
                await w.broker.begin(ACCOUNT, None, again=again)
        assert w.announced == []
        stored = w.records.stored.get(ACCOUNT.name)
        assert (stored.record if stored is not None else None) == record


async def test_without_a_password_a_managed_account_works(clock: PatientClock) -> None:
    record = managed_record(entry(PHONE, "phone"))
    async with world(grant("new-access", "new-refresh"), record=record, settings=MANAGED) as w:
        assert (await w.broker.authorise(ACCOUNT, None)).value.reveal() == "old-access"
        assert isinstance(await w.broker.begin(ACCOUNT, None, again=True), Pending)
        assert (await w.person()).kind is OutcomeKind.AUTHORISED
        assert (await w.broker.token(ACCOUNT, PHONE)).value.reveal() == "new-access"
        assert opened(w.records.record, "refresh_token") == "new-refresh"


async def test_and_while_its_tokens_could_not_be_stored(clock: PatientClock) -> None:
    record = managed_record(entry(PHONE, "phone"))
    async with world(grant("new-access", "new-refresh"), record=record, settings=MANAGED) as w:
        await w.broker.begin(ACCOUNT, None, again=True)
        w.records.save_errors.append(StoreUnavailableError("down"))
        await w.person()
        assert w.broker.unsaved
        assert (await w.broker.authorise(ACCOUNT, None)).value.reveal() == "new-access"
