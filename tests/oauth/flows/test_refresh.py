from __future__ import annotations

from emailproxy.oauth.endpoint import ClientCredentials, TokenResponse, open_endpoint
from emailproxy.oauth.flows.refresh import refresh
from emailproxy.secret import Secret
from tests.oauth.support import ACCOUNT, Provider, grant


async def renew(sent_back: str | None) -> TokenResponse:
    async with open_endpoint(transport=Provider(grant("new", sent_back))) as endpoint:
        return await refresh(endpoint, ACCOUNT, ClientCredentials("id"), Secret("old"))


async def test_a_rotated_refresh_token() -> None:
    assert (await renew("rotated")).refresh_token == Secret("rotated")


async def test_the_old_one_repeated_or_left_out() -> None:
    assert (await renew("old")).refresh_token is None
    assert (await renew(None)).refresh_token is None
