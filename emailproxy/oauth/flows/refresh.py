"""How is a token renewed without anybody? The refresh token grant (RFC 6749 section 6)."""

from __future__ import annotations

from dataclasses import replace

from emailproxy.config.model import Account
from emailproxy.oauth.endpoint import ClientCredentials, TokenEndpoint, TokenResponse
from emailproxy.secret import Secret

__all__ = ["refresh"]


async def refresh(
    endpoint: TokenEndpoint, account: Account, client: ClientCredentials, refresh_token: Secret
) -> TokenResponse:
    """Renew with `refresh_token`.

    The scope is left out, which means "what was granted": a person may have granted less than is configured now, and
    asking for more than was granted is refused.

    Returns:
        The answer; its refresh token is None unless the provider gave another one than ours.

    Raises:
        TokenEndpointError: refused (permanent: the refresh token is dead) or not answered.
    """
    response = await endpoint.refresh(account.token_url, client, refresh_token)
    if response.refresh_token == refresh_token:
        return replace(response, refresh_token=None)
    return response
