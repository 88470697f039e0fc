from __future__ import annotations

import pytest

from emailproxy.oauth.consent import Pending
from emailproxy.oauth.endpoint import ClientCredentials, open_endpoint
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.flows.client_credentials import ClientCredentialsGrant
from emailproxy.oauth.question import Question
from emailproxy.oauth.refusals import Meaning, TokenEndpointError
from emailproxy.secret import Secret
from tests.oauth.support import PASSWORD, Provider, grant, unattended


def never(question: Question) -> Pending:
    raise AssertionError("nobody is asked")


async def test_the_client_itself() -> None:
    provider = Provider(grant())
    account = unattended("client_credentials", oauth2_scope="https://outlook.office365.com/.default")
    async with open_endpoint(transport=provider) as endpoint:
        await ClientCredentialsGrant().obtain(
            Grant(account, ClientCredentials("id", Secret("cs")), PASSWORD, endpoint, never)
        )
    assert provider.requests == [
        {
            "grant_type": "client_credentials",
            "scope": "https://outlook.office365.com/.default",
            "client_id": "id",
            "client_secret": "cs",
        }
    ]


async def test_without_a_secret_nothing_is_sent() -> None:
    async with open_endpoint(transport=Provider()) as endpoint:
        with pytest.raises(TokenEndpointError, match="client_secret") as caught:
            await ClientCredentialsGrant().obtain(
                Grant(unattended("client_credentials"), ClientCredentials("id"), PASSWORD, endpoint, never)
            )
    assert caught.value.meaning is Meaning.MISCONFIGURED
