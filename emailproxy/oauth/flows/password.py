"""How does the mail password itself become a token? The resource owner password grant (RFC 6749 section 4.3)."""

from __future__ import annotations

from typing import Final

from emailproxy.failures import FailureKind
from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.flows.base import Grant, text_of_password
from emailproxy.oauth.refusals import TokenEndpointError

__all__ = ["Password"]

_NEEDS_BROWSER: Final = frozenset({50074, 50076, 50078, 50079, 65001, 70043})
"""Entra's refusals that have nothing to do with the password: this flow can never satisfy them."""


class Password:
    """The mail password is the mailbox owner's password at the provider, which judges it."""

    name = "password"
    interactive = False
    confirms_password = False
    provider_checks_password = True

    async def obtain(self, grant: Grant) -> TokenResponse:
        """Ask the token endpoint. See `emailproxy.oauth.flows.base.Flow.obtain`."""
        account = grant.account
        parameters = {"username": account.identity, "password": text_of_password(grant.password)}
        if account.oauth2_scope:
            parameters["scope"] = account.oauth2_scope
        if account.oauth2_resource:  # 21Vianet's Office 365, instead of a scope or beside it
            parameters["resource"] = account.oauth2_resource
        return await grant.endpoint.grant(account.token_url, grant.client, "password", parameters)

    def kind_of(self, error: TokenEndpointError) -> FailureKind:
        """Wrong credentials, unless the provider says that no password would do."""
        if error.code != "invalid_grant" or _NEEDS_BROWSER & set(error.aadsts):
            return FailureKind.MISCONFIGURED
        return FailureKind.WRONG_CREDENTIALS
