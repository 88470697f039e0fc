"""How does a service account of Google open a person's mailbox? The JWT bearer grant (RFC 7523 section 2.1).

The service account signs for which mailbox it asks - with its key, or through Google's IAM if nobody has that key - and
the domain's administrator has said that it may (domain-wide delegation).
"""

from __future__ import annotations

from typing import Final

from emailproxy.assertions.base import Statement
from emailproxy.failures import FailureKind
from emailproxy.oauth.endpoint import ClientCredentials, TokenResponse
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.refusals import TokenEndpointError

__all__ = ["ServiceAccount"]

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class ServiceAccount:
    """The provider trusts the service account; the mail password only guards what we hold."""

    name = "service_account"
    interactive = False
    confirms_password = False
    provider_checks_password = False

    async def obtain(self, grant: Grant) -> TokenResponse:
        """Sign, then ask the token endpoint. See `emailproxy.oauth.flows.base.Flow.obtain`."""
        account = grant.account
        if grant.client.assertion is None:
            raise TokenEndpointError.misconfigured(
                "the flow service_account needs its key: client_id and client_secret"
            )
        statement = Statement(account.token_url, subject=account.identity, scope=account.oauth2_scope)
        assertion = await grant.client.assertion(statement)
        # The assertion says it all: the grant needs no client authentication, and `client_id` names no client here.
        nobody = ClientCredentials("")
        return await grant.endpoint.grant(account.token_url, nobody, GRANT_TYPE, {"assertion": assertion.reveal()})

    def kind_of(self, error: TokenEndpointError) -> FailureKind:  # noqa: ARG002 - the same for all
        """No person and no password can help: the key or the delegation must change."""
        return FailureKind.MISCONFIGURED
