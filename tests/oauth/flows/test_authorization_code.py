from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest

from emailproxy.assertions.base import Statement
from emailproxy.config.model import Account
from emailproxy.failures import FailureKind
from emailproxy.oauth.consent import Consents, Pending
from emailproxy.oauth.endpoint import ClientCredentials, open_endpoint
from emailproxy.oauth.flows.authorization_code import AuthorizationCode
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.proving import Assertion
from emailproxy.oauth.question import Question
from emailproxy.oauth.refusals import Meaning, TokenEndpointError
from emailproxy.secret import Secret
from tests.oauth.support import ACCOUNT, PASSWORD, Provider, grant, query_of, refusal

FLOW = AuthorizationCode()


async def run(
    account: Account, provider: Provider, secret: Secret | None = None, assertion: Assertion | None = None
) -> tuple[str, str]:
    """Obtain a token; the address that the person was sent to, and its state."""
    asked: list[Question] = []

    def ask(question: Question) -> Pending:
        asked.append(question)
        pending = Consents().begin(account, question)
        pending.accept("the code")
        return pending

    async with open_endpoint(transport=provider) as endpoint:
        await FLOW.obtain(Grant(account, ClientCredentials("the-client", secret, assertion), PASSWORD, endpoint, ask))
    return asked[0].url, asked[0].state


async def test_the_person_and_the_code() -> None:
    provider = Provider(grant())
    url, state = await run(ACCOUNT, provider, Secret("cs"))
    assert url.startswith("https://provider.test/authorize?")
    assert query_of(url) == {
        "response_type": "code",
        "client_id": "the-client",
        "redirect_uri": "http://localhost:8080/done",
        "scope": "mail offline_access",
        "state": state,
        "access_type": "offline",
        "login_hint": "ada@example.com",
    }
    assert provider.requests == [
        {
            "grant_type": "authorization_code",
            "code": "the code",
            "redirect_uri": "http://localhost:8080/done",
            "client_id": "the-client",
            "client_secret": "cs",
        }
    ]


async def test_the_person_who_is_to_sign_in_is_the_upstream_user() -> None:
    url, _ = await run(replace(ACCOUNT, upstream_user="delegate@example.com"), Provider(grant()))
    assert query_of(url)["login_hint"] == "delegate@example.com"


@pytest.mark.parametrize(
    ("use_pkce", "secret", "used"),
    [(None, None, True), (None, "cs", False), (True, "cs", True), (False, None, False)],
    ids=["a public client", "a confidential one", "on", "off"],
)
async def test_who_uses_pkce(use_pkce: bool | None, secret: str | None, used: bool) -> None:
    provider = Provider(grant())
    url, _ = await run(replace(ACCOUNT, use_pkce=use_pkce), provider, Secret(secret) if secret else None)
    assert ("code_challenge" in query_of(url)) is used
    assert ("code_verifier" in provider.requests[0]) is used


async def test_a_client_with_a_certificate_is_not_public() -> None:
    async def assertion(statement: Statement) -> Secret:
        return Secret("signed")

    url, _ = await run(ACCOUNT, Provider(grant()), assertion=assertion)
    assert "code_challenge" not in query_of(url)


async def test_pkce() -> None:
    provider = Provider(grant())
    url, _ = await run(replace(ACCOUNT, use_pkce=True), provider)
    verifier = provider.requests[0]["code_verifier"]
    assert 43 <= len(verifier) <= 128
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert (query_of(url)["code_challenge"], query_of(url)["code_challenge_method"]) == (digest, "S256")


async def test_every_authorisation_has_a_state_and_verifier_of_its_own() -> None:
    provider = Provider(grant(), grant())
    account = replace(ACCOUNT, use_pkce=True)
    states = {(await run(account, provider))[1] for _ in range(2)}
    assert len(states) == 2
    assert len({request["code_verifier"] for request in provider.requests}) == 2


async def test_parameters_of_permission_url_stay() -> None:
    url, _ = await run(
        replace(ACCOUNT, permission_url="https://provider.test/a?tenant=x&prompt=login"), Provider(grant())
    )
    assert query_of(url)["tenant"] == "x"
    assert query_of(url)["prompt"] == "login"


async def test_google_is_asked_for_a_refresh_token_each_time() -> None:
    url, _ = await run(replace(ACCOUNT, permission_url="https://accounts.google.com/o/oauth2/auth"), Provider(grant()))
    assert query_of(url)["prompt"] == "consent"


@pytest.mark.parametrize(
    ("missing", "account"),
    [
        ("permission_url", replace(ACCOUNT, permission_url=None)),
        ("redirect_uri", replace(ACCOUNT, redirect_uri=None)),
    ],
)
async def test_what_is_missing_is_said(missing: str, account: Account) -> None:
    with pytest.raises(TokenEndpointError, match=missing) as caught:
        await run(account, Provider())
    assert caught.value.meaning is Meaning.MISCONFIGURED


async def test_a_code_that_is_not_accepted_is_asked_for_again() -> None:
    with pytest.raises(TokenEndpointError) as caught:
        await run(ACCOUNT, Provider(refusal("invalid_grant", error_codes=[54005])))
    assert FLOW.kind_of(caught.value) is FailureKind.TEMPORARY
