"""A client secret that is a reference: looked up in time, rotated without a failed login, and never sealed."""

from __future__ import annotations

import logging
from dataclasses import replace

import httpx2
import pytest
import trio

from emailproxy.config.model import Account, Settings
from emailproxy.failures import FailureKind
from emailproxy.oauth.sealing import derive_key
from emailproxy.references.base import Reference
from emailproxy.references.resolver import FRUITLESS
from emailproxy.secret import Secret
from emailproxy.store.base import StoreDeniedError, StoreUnavailableError
from tests.clocks import PatientClock
from tests.oauth.support import (
    ACCOUNT,
    FEW,
    PASSWORD,
    SALT,
    Answer,
    World,
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
from tests.references.fakes import FakeSource, sources

FIRST, SECOND = "first-s3cret", "second-s3cret"
REFERENCE = Reference("vault", "app")
REFERRING = replace(ACCOUNT, client_secret=REFERENCE)
APPLICATION = unattended("client_credentials", client_secret=REFERENCE)
REFUSED = refusal("invalid_client", 401, error_codes=[7000215])


class Registration:
    """What the provider accepts: answers like a token endpoint that knows one client."""

    def __init__(self, secret: str, identifier: str = "the-client") -> None:
        self.secret = secret
        self.identifier = identifier
        self.refused = 0

    async def __call__(self, form: dict[str, str]) -> httpx2.Response:
        if (form["client_id"], form.get("client_secret")) != (self.identifier, self.secret):
            self.refused += 1
            return refusal("invalid_client", 401)
        return grant("fresh", expires_in=601)


@pytest.fixture
def vault() -> FakeSource:
    return FakeSource({"app": FIRST, "id": "the-client"})


def sent(w: World) -> list[str | None]:
    return [request.get("client_secret") for request in w.provider.requests]


async def test_logins_go_on_while_a_secret_is_rotated(
    clock: PatientClock, vault: FakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    registration = Registration(FIRST)
    answers: list[Answer] = [registration] * 20
    async with world(*answers, record=sealed_record(), sources=sources(vault)) as w:
        assert await token(w, account=REFERRING) == "fresh"
        # In the vault first, then at the provider; nothing is restarted.
        vault.values["app"] = registration.secret = SECOND
        await trio.sleep(30)
        assert await token(w, account=REFERRING) == "fresh"
        assert registration.refused == 1
        await trio.sleep(30)
        assert await token(w, account=REFERRING) == "fresh"
        assert sent(w) == [FIRST, FIRST, SECOND, SECOND]
        assert vault.reads["app"] == 2
        record = w.records.record
    assert record.client_secret_encrypted is None
    assert FIRST not in caplog.text
    assert SECOND not in caplog.text
    assert "vault:app: the value was refused, and there is a new one" in caplog.text


async def test_an_application_is_rotated_too(clock: PatientClock, vault: FakeSource) -> None:
    registration = Registration(FIRST)
    async with world(*[registration] * 4, sources=sources(vault)) as w:
        assert await token(w, account=APPLICATION) == "fresh"
        vault.values["app"] = registration.secret = SECOND
        await trio.sleep(30)
        assert await token(w, account=APPLICATION) == "fresh"


async def test_a_code_is_exchanged_with_the_new_secret(clock: PatientClock, vault: FakeSource) -> None:
    """The person need not consent a second time."""
    async with world(REFUSED, grant("fresh"), sources=sources(vault)) as w, trio.open_nursery() as nursery:

        async def rotate_and_consent() -> None:
            await w.somebody_is_asked()
            vault.values["app"] = SECOND
            await w.person()

        nursery.start_soon(rotate_and_consent)
        assert await token(w, account=REFERRING) == "fresh"
        assert sent(w) == [FIRST, SECOND]
        assert {request["code"] for request in w.provider.requests} == {"the-code"}


async def test_client_id_and_secret_together(clock: PatientClock, vault: FakeSource) -> None:
    account = replace(REFERRING, client_id=Reference("vault", "id"))
    registration = Registration(FIRST)
    async with world(*[registration] * 3, record=sealed_record(), sources=sources(vault)) as w:
        await token(w, account=account)
        registration.identifier, registration.secret = "another-client", SECOND
        vault.values |= {"id": "another-client", "app": SECOND}
        await trio.sleep(30)
        assert await token(w, account=account) == "fresh"


async def test_a_wrong_secret_costs_one_more_read_and_no_more_requests(clock: PatientClock, vault: FakeSource) -> None:
    async with world(*[REFUSED] * 20, record=sealed_record(), sources=sources(vault)) as w:
        for _ in range(10):
            assert await kind(w, account=REFERRING) is FailureKind.MISCONFIGURED
        assert vault.reads["app"] == 2
        assert len(w.provider.requests) == 10, "the same secret is not tried twice for one login"
        await trio.sleep(FRUITLESS + 1)
        vault.values["app"] = SECOND
        await kind(w, account=REFERRING)
        assert vault.reads["app"] == 3
        assert sent(w)[-2:] == [FIRST, SECOND]


async def test_another_refusal_is_no_suspicion(clock: PatientClock, vault: FakeSource) -> None:
    answer = refusal("unauthorized_client")
    async with world(answer, record=sealed_record(), sources=sources(vault)) as w:
        await kind(w, account=REFERRING)
        assert vault.reads["app"] == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StoreUnavailableError("vault: cannot be reached"), FailureKind.TEMPORARY),
        (StoreDeniedError("vault: you lack the permission x; grant it"), FailureKind.MISCONFIGURED),
    ],
)
@pytest.mark.parametrize("account", [REFERRING, APPLICATION])
async def test_a_vault_that_gives_nothing(
    clock: PatientClock, vault: FakeSource, error: Exception, expected: FailureKind, account: Account
) -> None:
    vault.values["app"] = error  # type: ignore[assignment]
    record = sealed_record() if account is REFERRING else None
    async with world(record=record, sources=sources(vault)) as w:
        caught = await failure(w, account=account)
        assert caught.failure.kind is expected
        assert f"client_secret: {error}" in caught.failure.detail
        assert w.provider.requests == []


async def test_a_vault_that_is_down_stops_nobody_who_was_served_before(clock: PatientClock, vault: FakeSource) -> None:
    registration = Registration(FIRST)
    async with world(*[registration] * 3, record=sealed_record(), sources=sources(vault)) as w:
        await token(w, account=REFERRING)
        vault.values["app"] = StoreUnavailableError("vault: cannot be reached")
        await trio.sleep(3600)
        assert await token(w, account=REFERRING) == "fresh"


async def test_octets_are_no_client_secret(clock: PatientClock, vault: FakeSource) -> None:
    vault.values["app"] = b"\xff\xfe"
    async with world(record=sealed_record(), sources=sources(vault)) as w:
        assert "is no text in UTF-8" in (await failure(w, account=REFERRING)).failure.detail


async def test_a_reference_is_never_sealed_and_what_was_sealed_before_goes(
    clock: PatientClock, vault: FakeSource
) -> None:
    settings = Settings(encrypt_client_secret_on_first_use=True)
    old = derive_key(PASSWORD, SALT, FEW.current).seal(Secret("sealed long ago"))
    record = sealed_record(client_secret_encrypted=old)
    async with world(Registration(FIRST), record=record, settings=settings, sources=sources(vault)) as w:
        assert await token(w, account=REFERRING) == "fresh"
        assert sent(w) == [FIRST]
        kept = w.records.record
    assert kept.client_secret_encrypted is None
    assert unseal(kept, "access_token") == "fresh"


async def test_the_lifetime_is_the_settings(clock: PatientClock, vault: FakeSource) -> None:
    settings = Settings(secret_lifetime=0)
    async with world(
        *[Registration(FIRST)] * 2, record=sealed_record(), settings=settings, sources=sources(vault)
    ) as w:
        await token(w, account=REFERRING)
        await trio.sleep(30)
        await token(w, account=REFERRING)
    assert vault.reads["app"] == 2
    assert vault.closed == 1, "the broker closes the sources"
