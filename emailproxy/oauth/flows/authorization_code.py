"""How does a person in a browser give us a token? The authorization code grant (RFC 6749 section 4.1), with PKCE."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from authlib.common.security import generate_token
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from emailproxy.failures import FailureKind
from emailproxy.oauth.consent import new_state
from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.question import Question
from emailproxy.oauth.refusals import TokenEndpointError

__all__ = ["AuthorizationCode"]

VERIFIER_LENGTH: Final = 64
"""Characters of a PKCE verifier; RFC 7636 section 4.1 allows 43 to 128."""


class AuthorizationCode:
    """Sends a person to ``permission_url`` and exchanges the code that comes back."""

    name = "authorization_code"
    interactive = True
    confirms_password = True
    provider_checks_password = False

    async def obtain(self, grant: Grant) -> TokenResponse:
        """Ask the person, then the token endpoint. See `emailproxy.oauth.flows.base.Flow.obtain`."""
        account = grant.account
        state = new_state()
        verifier = generate_token(VERIFIER_LENGTH) if _wants_pkce(grant) else None
        code = await grant.ask(Question(_authorization_url(grant, state, verifier), state)).answer()
        parameters = {"code": code}
        if account.redirect_uri:
            parameters["redirect_uri"] = account.redirect_uri
        if verifier:
            parameters["code_verifier"] = verifier
        return await grant.endpoint.grant(account.token_url, grant.client, "authorization_code", parameters)

    def kind_of(self, error: TokenEndpointError) -> FailureKind:  # noqa: ARG002 - the same for all
        """The code expired or was used: the next login asks the person again."""
        return FailureKind.TEMPORARY


def _wants_pkce(grant: Grant) -> bool:
    """As configured, else for every public client: nothing but the verifier ties its code to who asked for it."""
    account = grant.account
    if account.use_pkce is not None:
        return account.use_pkce
    return grant.client.client_secret is None and grant.client.assertion is None


def _authorization_url(grant: Grant, state: str, verifier: str | None) -> str:
    """Where the person goes (RFC 6749 section 4.1.1)."""
    account = grant.account
    if not account.permission_url or not account.redirect_uri:
        raise TokenEndpointError.misconfigured("the flow authorization_code needs permission_url and redirect_uri")
    # Google gives a refresh token only if asked so, every other provider ignores it. The hint spares typing.
    extra: dict[str, str] = {"access_type": "offline", "login_hint": account.identity}
    if urlsplit(account.permission_url).hostname == "accounts.google.com":
        # A second consent would bring no refresh token otherwise.
        extra["prompt"] = "consent"
    if verifier:
        extra |= {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
    url: str = prepare_grant_uri(
        account.permission_url,
        client_id=grant.client.client_id,
        response_type="code",
        redirect_uri=account.redirect_uri,
        scope=account.oauth2_scope,
        state=state,
        **extra,
    )
    return url
