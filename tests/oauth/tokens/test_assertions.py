"""Applications without any secret, through the broker: the exchange, parameter by parameter, and its failures."""

from __future__ import annotations

import logging
from dataclasses import replace

import httpx2
import pytest
import trio

from emailproxy.assertions.base import IssuerAddress, Statement
from emailproxy.config.model import Settings
from emailproxy.failures import FailureKind
from emailproxy.oauth.flows.client_credentials import SPREADING
from emailproxy.store.base import StoreDeniedError, StoreUnavailableError
from tests.assertions.fakes import FakeIssuer, issuers, jwt
from tests.clocks import PatientClock
from tests.oauth.support import DOWN, failure, grant, refusal, token, unattended, world

URL = "https://login.microsoftonline.com/example.com/oauth2/v2.0/token"
APPLICATION = unattended(
    "client_credentials",
    token_url=URL,
    oauth2_scope="https://outlook.office365.com/.default",
    client_secret=None,
    client_assertion=IssuerAddress("cloud", "here"),
)


def not_yet() -> httpx2.Response:
    return refusal("invalid_request", 401, error_codes=[70021], error_description="AADSTS70021: no matching record")


@pytest.mark.parametrize(
    ("host", "suffix"),
    [
        ("login.microsoftonline.com", ""),
        ("login.microsoftonline.us", "USGov"),
        ("login.partner.microsoftonline.cn", "China"),
    ],
)
async def test_the_exchange(clock: PatientClock, caplog: pytest.LogCaptureFixture, host: str, suffix: str) -> None:
    caplog.set_level(logging.DEBUG)
    issuer = FakeIssuer(jwt(sub="identity"))
    account = replace(APPLICATION, token_url=URL.replace("login.microsoftonline.com", host))
    async with world(grant("fresh"), issuers=issuers(issuer)) as w:
        assert await token(w, account=account) == "fresh"
        assert w.provider.requests == [
            {
                "grant_type": "client_credentials",
                "scope": "https://outlook.office365.com/.default",
                "client_id": "the-client",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": jwt(sub="identity"),
            }
        ]
        assert w.provider.heads[0]["Host"] == host
    assert issuer.asked == [("here", Statement(f"api://AzureADTokenExchange{suffix}"))]
    assert issuer.closed == 1
    assert jwt(sub="identity") not in caplog.text
    assert "the-client-secret" not in caplog.text


async def test_a_fresh_assertion_for_each_request(clock: PatientClock) -> None:
    issuer = FakeIssuer(*(jwt(n=number) for number in range(3)))
    async with world(DOWN, grant("first", expires_in=700), grant("second"), issuers=issuers(issuer)) as w:
        assert await token(w, account=APPLICATION) == "first"
        await trio.sleep(200)
        assert await token(w, account=APPLICATION) == "second"
        assert [form["client_assertion"] for form in w.provider.requests] == [jwt(n=n) for n in range(3)]


async def test_a_federation_that_spreads(clock: PatientClock) -> None:
    async with world(not_yet(), not_yet(), grant("fresh"), issuers=issuers(FakeIssuer())) as w:
        began = trio.current_time()
        assert await token(w, account=APPLICATION) == "fresh"
        assert trio.current_time() - began == pytest.approx(sum(SPREADING[:2]), abs=1)


async def test_a_federation_that_is_wrong(clock: PatientClock) -> None:
    answers = [not_yet() for _ in range(len(SPREADING) + 1)]
    async with world(*answers, issuers=issuers(FakeIssuer())) as w:
        began = trio.current_time()
        told = (await failure(w, account=APPLICATION)).failure
        assert told.kind is FailureKind.TEMPORARY
        assert "federated credential" in told.detail
        assert trio.current_time() - began < 30, "what an SMTP client's login waits"
        assert len(w.provider.requests) == len(SPREADING) + 1


async def test_other_refusals_are_not_waited_for(clock: PatientClock) -> None:
    refused = refusal("invalid_client", 401, error_codes=[700212])
    async with world(refused, issuers=issuers(FakeIssuer())) as w:
        told = (await failure(w, account=APPLICATION)).failure
        assert told.kind is FailureKind.MISCONFIGURED
        assert "audience of the client_assertion" in told.detail
        assert len(w.provider.requests) == 1


async def test_a_client_with_a_secret_does_not_wait(clock: PatientClock) -> None:
    async with world(not_yet()) as w:
        await failure(w, account=replace(unattended("client_credentials"), token_url=URL))
        assert len(w.provider.requests) == 1


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (StoreUnavailableError("the service is busy; later"), FailureKind.TEMPORARY),
        (StoreDeniedError("no identity; assign one"), FailureKind.MISCONFIGURED),
    ],
)
async def test_no_assertion(
    clock: PatientClock, trouble: StoreUnavailableError | StoreDeniedError, kind: FailureKind
) -> None:
    async with world(issuers=issuers(FakeIssuer(trouble))) as w:
        told = (await failure(w, account=APPLICATION)).failure
        assert told.kind is kind
        assert f"client_assertion: {trouble}" in told.detail
        assert not w.provider.requests


@pytest.mark.parametrize("broken", ["", "x" * 100_000, f"{jwt()}&client_secret=x", f"{jwt()}\r\nforged line"])
async def test_a_malformed_assertion_goes_nowhere(clock: PatientClock, broken: str) -> None:
    async with world(issuers=issuers(FakeIssuer(broken))) as w:
        told = (await failure(w, account=APPLICATION)).failure
        assert "no signed token (JWT)" in told.detail
        assert len(told.detail) < 300
        assert not w.provider.requests


async def test_the_old_token_goes_on_while_there_is_no_assertion(clock: PatientClock) -> None:
    issuer = FakeIssuer(jwt(), StoreUnavailableError("the service is busy; later"))
    async with world(grant("first", expires_in=700), issuers=issuers(issuer)) as w:
        assert await token(w, account=APPLICATION) == "first"
        await trio.sleep(200)
        assert await token(w, account=APPLICATION) == "first"


async def test_a_provider_that_quotes_it(clock: PatientClock) -> None:
    quoting = refusal("invalid_client", 401, error_description=f"bad assertion {jwt()} here")
    async with world(quoting, issuers=issuers(FakeIssuer(jwt()))) as w:
        assert "bad assertion [secret] here" in (await failure(w, account=APPLICATION)).failure.detail


async def test_the_mail_password_is_not_sent(clock: PatientClock) -> None:
    settings = Settings(use_login_password_as_client_credentials_secret=True)
    async with world(grant("fresh"), settings=settings, issuers=issuers(FakeIssuer())) as w:
        await token(w, account=APPLICATION)
        assert "client_secret" not in w.provider.requests[0]


# --- a service account whose key nobody has ---------------------------------------------------------------------------


async def test_a_service_account_without_a_key(clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    issuer = FakeIssuer(jwt(iss="proxy@mail.iam.gserviceaccount.com"))
    account = unattended(
        "service_account",
        client_id="adc",
        client_secret=None,
        token_url="https://oauth2.googleapis.com/token",
        oauth2_scope="https://mail.google.com/",
        upstream_user="info@example.com",
        signer=IssuerAddress("adc"),
    )
    async with world(grant("fresh"), issuers=issuers(issuer)) as w:
        assert await token(w, account=account) == "fresh"
        assert w.provider.requests == [
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "assertion": jwt(iss="proxy@mail.iam.gserviceaccount.com"),
            }
        ]
    statement = Statement("https://oauth2.googleapis.com/token", "info@example.com", "https://mail.google.com/")
    assert issuer.asked == [("", statement)]
    assert "eyJ" not in caplog.text
