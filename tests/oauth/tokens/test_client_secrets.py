"""Which client secret is used, and how is it kept?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from emailproxy.config.model import Account, SealedSecret, Settings
from emailproxy.failures import FailureKind
from emailproxy.oauth.sealing import derive_key
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
    refusal,
    sealed_record,
    token,
    unattended,
    unseal,
    world,
)


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
