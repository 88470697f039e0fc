"""How does an application get a token for a mailbox, without a person? Client credentials (RFC 6749 section 4.4)."""

from __future__ import annotations

import logging
from typing import Final

import trio

from emailproxy.failures import FailureKind
from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.refusals import TokenEndpointError

__all__ = ["ClientCredentialsGrant"]

log = logging.getLogger("emailproxy.oauth")

NOT_YET_KNOWN: Final = frozenset({70021, 700211, 700213})
"""Entra's "no matching federated identity record": wrong, or new and not everywhere yet, which takes minutes."""
SPREADING: Final = (2.0, 4.0, 8.0, 12.0)
"""Seconds between attempts then: together less than an SMTP client's login waits by default."""


class ClientCredentialsGrant:
    """The provider trusts the client itself; the mail password only guards what we hold."""

    name = "client_credentials"
    interactive = False
    confirms_password = False
    provider_checks_password = False

    async def obtain(self, grant: Grant) -> TokenResponse:
        """Ask the token endpoint. See `emailproxy.oauth.flows.base.Flow.obtain`."""
        account = grant.account
        if grant.client.client_secret is None and grant.client.assertion is None:
            raise TokenEndpointError.misconfigured(
                "the flow client_credentials needs client_secret, client_assertion, jwt_certificate_path, or "
                "use_login_password_as_client_credentials_secret"
            )
        parameters = {"scope": account.oauth2_scope} if account.oauth2_scope else {}
        for pause in SPREADING:
            try:
                return await grant.endpoint.grant(account.token_url, grant.client, "client_credentials", parameters)
            except TokenEndpointError as error:
                if account.client_assertion is None or not NOT_YET_KNOWN & set(error.aadsts):
                    raise
                log.info("account %s: asking again in %g s: %s", foreign(account.name), pause, error)
            await trio.sleep(pause)
        return await grant.endpoint.grant(account.token_url, grant.client, "client_credentials", parameters)

    def kind_of(self, error: TokenEndpointError) -> FailureKind:  # noqa: ARG002 - the same for all
        """No person and no password can help: the registration must change."""
        return FailureKind.MISCONFIGURED
