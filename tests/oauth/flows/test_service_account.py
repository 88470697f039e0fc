"""For which mailbox does a service account ask?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from emailproxy.assertions.base import Statement
from emailproxy.oauth.endpoint import ClientCredentials, open_endpoint
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.flows.service_account import ServiceAccount
from emailproxy.secret import Secret
from tests.oauth.support import ACCOUNT, PASSWORD, Provider, grant


@pytest.mark.parametrize(("upstream", "mailbox"), [(None, "ada@example.com"), ("box@example.com", "box@example.com")])
async def test_the_mailbox_is_the_upstream_user(upstream: str | None, mailbox: str) -> None:
    stated: list[Statement] = []

    async def sign(statement: Statement) -> Secret:
        stated.append(statement)
        return Secret("signed")

    provider = Provider(grant())
    account = replace(ACCOUNT, upstream_user=upstream)
    async with open_endpoint(transport=provider) as endpoint:
        client = ClientCredentials("", assertion=sign)
        await ServiceAccount().obtain(Grant(account, client, PASSWORD, endpoint, ask=None))  # type: ignore[arg-type]
    assert [statement.subject for statement in stated] == [mailbox]
    assert provider.requests[0]["assertion"] == "signed"
