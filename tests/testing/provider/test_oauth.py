"""The simulated OAuth server against a plain HTTP client: RFC 6749, PKCE, and every way it can misbehave."""

import base64
import hashlib
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import trio

from emailproxy.testing.provider import (
    ANY_USER,
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    USER,
    Provider,
    ProviderOptions,
    open_provider,
)
from tests.clocks import PatientClock
from tests.patience import HANG

REDIRECT = "http://localhost:8080/back?kept=1"


@asynccontextmanager
async def provider_and_client() -> AsyncGenerator[tuple[Provider, httpx2.AsyncClient]]:
    async with open_provider() as provider, httpx2.AsyncClient(trust_env=False, timeout=HANG) as client:
        yield provider, client


async def authorize(provider: Provider, client: httpx2.AsyncClient, **more: str) -> dict[str, str]:
    """The parameters of the redirect."""
    parameters = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT, "response_type": "code", "state": "s/1&"} | more
    response = await client.get(provider.authorization_url, params=parameters)
    assert response.status_code == 302
    url = urlsplit(response.headers["location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == "http://localhost:8080/back"
    return {name: values[0] for name, values in parse_qs(url.query).items()}


async def token(provider: Provider, client: httpx2.AsyncClient, **form: str) -> httpx2.Response:
    form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET} | form
    return await client.post(provider.token_url, data=form)


async def test_code_is_redeemed_once() -> None:
    async with provider_and_client() as (provider, client):
        redirect = await authorize(provider, client)
        assert redirect["state"] == "s/1&"
        assert redirect["kept"] == "1"
        form = {"grant_type": "authorization_code", "code": redirect["code"], "redirect_uri": REDIRECT}
        first = await token(provider, client, **form)
        assert first.status_code == 200
        answer = first.json()
        assert answer["expires_in"] == 3600
        assert len(answer["access_token"]) == 1600
        assert provider.issuer.user_of(answer["access_token"]) == USER
        again = await token(provider, client, **form)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(("verifier", "status"), [("right" * 10, 200), ("wrong" * 10, 400), ("", 400)])
async def test_pkce_is_checked(verifier: str, status: int) -> None:
    digest = hashlib.sha256(b"right" * 10).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    async with provider_and_client() as (provider, client):
        redirect = await authorize(provider, client, code_challenge=challenge, code_challenge_method="S256")
        response = await token(
            provider,
            client,
            grant_type="authorization_code",
            code=redirect["code"],
            redirect_uri=REDIRECT,
            code_verifier=verifier,
        )
        assert response.status_code == status


async def test_code_needs_its_client_and_its_redirect_uri() -> None:
    async with provider_and_client() as (provider, client):
        for wrong in ({"redirect_uri": "http://localhost/"}, {"client_id": PUBLIC_CLIENT_ID}):
            redirect = await authorize(provider, client)
            form = {"grant_type": "authorization_code", "code": redirect["code"], "redirect_uri": REDIRECT} | wrong
            assert (await token(provider, client, **form)).json()["error"] == "invalid_grant"


async def test_authorization_request_without_a_known_client_or_address_is_not_redirected() -> None:
    async with provider_and_client() as (provider, client):
        for parameters in (
            {"client_id": "nobody", "redirect_uri": REDIRECT, "response_type": "code"},
            {"client_id": CLIENT_ID, "redirect_uri": "javascript:1", "response_type": "code"},
        ):
            assert (await client.get(provider.authorization_url, params=parameters)).status_code == 400
        assert (await authorize(provider, client, response_type="token"))["error"] == "unsupported_response_type"
        assert (await authorize(provider, client, login_hint="other@example.com"))["error"] == "access_denied"
        assert "code" in await authorize(provider, client, login_hint=USER.title())


async def test_consent_page_has_two_buttons() -> None:
    async with provider_and_client() as (provider, client):
        provider.switches.consent = "page"
        parameters = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT, "response_type": "code", "state": "s"}
        page = await client.get(provider.authorization_url, params=parameters)
        assert page.status_code == 200
        assert USER in page.text
        for answer, key in (("yes", "code"), ("no", "error")):
            response = await client.post(page.url, data={"consent": answer})
            query = parse_qs(urlsplit(response.headers["location"]).query)
            assert key in query
            assert query["state"] == ["s"]
        assert provider.counters.authorizations == 1
        provider.switches.consent = "deny"
        assert (await authorize(provider, client))["error"] == "access_denied"


async def test_refresh_with_and_without_rotation() -> None:
    async with provider_and_client() as (provider, client):
        code = (await authorize(provider, client))["code"]
        first = await token(provider, client, grant_type="authorization_code", code=code, redirect_uri=REDIRECT)
        old = first.json()["refresh_token"]
        assert (
            "refresh_token" not in (await token(provider, client, grant_type="refresh_token", refresh_token=old)).json()
        )
        provider.switches.rotate_refresh_tokens = True
        rotated = (await token(provider, client, grant_type="refresh_token", refresh_token=old)).json()["refresh_token"]
        void = await token(provider, client, grant_type="refresh_token", refresh_token=old)
        assert void.json()["error"] == "invalid_grant"
        provider.issuer.revoke_refresh_tokens()
        void = await token(provider, client, grant_type="refresh_token", refresh_token=rotated)
        assert void.json()["error"] == "invalid_grant"
        assert provider.counters.token_requests == {"authorization_code": 1, "refresh_token": 4}


async def test_client_credentials_and_password() -> None:
    async with provider_and_client() as (provider, client):
        own = await token(provider, client, grant_type="client_credentials", scope="a b")
        assert provider.issuer.user_of(own.json()["access_token"]) == ANY_USER
        assert own.json()["scope"] == "a b"
        assert "refresh_token" not in own.json()
        public = await token(provider, client, grant_type="client_credentials", client_id=PUBLIC_CLIENT_ID)
        assert public.json()["error"] == "unauthorized_client"
        for spelling in (USER, USER.upper()):
            good = await token(provider, client, grant_type="password", username=spelling, password="provider-password")
            assert provider.issuer.user_of(good.json()["access_token"]) == USER
        for user, password in ((USER, "x"), ("nobody@example.com", "")):
            bad = await token(provider, client, grant_type="password", username=user, password=password)
            assert bad.json()["error"] == "invalid_grant"
        odd = await token(provider, client, grant_type="telepathy")
        assert odd.json()["error"] == "unsupported_grant_type"


async def test_client_authentication_in_form_and_header() -> None:
    async with provider_and_client() as (provider, client):
        form = {"grant_type": "client_credentials"}
        basic = await client.post(provider.token_url, data=form, auth=(CLIENT_ID, CLIENT_SECRET))
        assert basic.status_code == 200
        wrong = await token(provider, client, client_secret="wrong", **form)
        assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
        malformed = await client.post(provider.token_url, data=form, headers={"Authorization": "Basic !"})
        assert malformed.json()["error"] == "invalid_client"


async def test_token_endpoint_misbehaves_as_switched() -> None:
    async with provider_and_client() as (provider, client):
        form = {"grant_type": "client_credentials"}
        switches = provider.switches
        switches.token_errors = ["invalid_grant", "temporarily_unavailable"]
        errors = [(await token(provider, client, **form)).json()["error"] for _ in range(2)]
        assert errors == ["invalid_grant", "temporarily_unavailable"]
        for expires_in in ("3599", 5):
            switches.expires_in = expires_in
            assert (await token(provider, client, **form)).json()["expires_in"] == expires_in
        switches.expires_in = None
        assert "expires_in" not in (await token(provider, client, **form)).json()
        switches.token_failure = "server_error"
        assert (await token(provider, client, **form)).status_code == 500
        switches.token_failure = "not_json"
        assert (await token(provider, client, **form)).text.startswith("<html>")
        switches.token_failure = "hang_up"
        with pytest.raises(httpx2.RemoteProtocolError):
            await token(provider, client, **form)
        assert provider.counters.token_requests["client_credentials"] == 8


async def test_slow_token_endpoint_waits(autojump_clock: PatientClock) -> None:
    async with provider_and_client() as (provider, client):
        client.timeout = httpx2.Timeout(None)
        provider.switches.token_delay = 45.0
        start = trio.current_time()
        await token(provider, client, grant_type="client_credentials")
        assert trio.current_time() - start >= 45.0


async def test_control_endpoint_reads_counters_and_sets_switches() -> None:
    async with provider_and_client() as (provider, client):
        await token(provider, client, grant_type="client_credentials")
        changed = await client.post(provider.control_url, json={"rotate_refresh_tokens": True, "refuse_logins": 2})
        assert changed.json()["switches"]["refuse_logins"] == 2
        assert provider.switches.rotate_refresh_tokens
        counters = (await client.get(provider.control_url)).json()["counters"]
        assert counters["token_requests"] == {"client_credentials": 1}
        assert (await client.post(provider.control_url, json={"nonsense": 1})).status_code == 400
        assert (await client.post(provider.control_url, content=b"{")).status_code == 400


async def test_http_faults_are_answered() -> None:
    async with provider_and_client() as (provider, client):
        assert (await client.get(provider.token_url)).status_code == 404
        assert (await client.post(provider.token_url, content=b"x" * 100_000)).status_code == 413
        stream = await trio.open_tcp_stream("127.0.0.1", provider.oauth_port)
        async with stream:
            await stream.send_all(b"nonsense\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")


async def test_https_on_demand() -> None:
    async with open_provider(ProviderOptions(oauth_tls=True)) as provider:
        context = ssl.create_default_context(cafile=str(provider.ca_path))
        async with httpx2.AsyncClient(trust_env=False, verify=context, timeout=HANG) as client:
            assert (await token(provider, client, grant_type="client_credentials")).status_code == 200
