from __future__ import annotations

import pytest

from emailproxy.failures import FailureKind
from emailproxy.oauth.consent import Pending
from emailproxy.oauth.endpoint import ClientCredentials, open_endpoint
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.flows.password import Password
from emailproxy.oauth.question import Question
from emailproxy.oauth.refusals import from_answer
from emailproxy.secret import Secret
from tests.oauth.support import Provider, grant, unattended

FLOW = Password()


def never(question: Question) -> Pending:
    raise AssertionError("nobody is asked")


async def request(password: Secret, **options: str | None) -> dict[str, str]:
    provider = Provider(grant())
    account = unattended("password", **options)
    async with open_endpoint(transport=provider) as endpoint:
        await FLOW.obtain(Grant(account, ClientCredentials("id"), password, endpoint, never))
    return provider.requests[0]


async def test_scope() -> None:
    assert await request(Secret("p+w &=")) == {
        "grant_type": "password",
        "username": "ada@example.com",
        "password": "p+w &=",
        "scope": "mail offline_access",
        "client_id": "id",
    }


async def test_resource_instead_of_scope() -> None:
    form = await request(Secret("pw"), oauth2_scope=None, oauth2_resource="https://partner.outlook.cn")
    assert form["resource"] == "https://partner.outlook.cn"
    assert "scope" not in form


async def test_the_provider_hears_its_own_name_of_the_account() -> None:
    form = await request(Secret("pw"), upstream_user="delegate@example.com")
    assert form["username"] == "delegate@example.com"


async def test_resource_beside_scope() -> None:
    form = await request(Secret("pw"), oauth2_resource="r")
    assert (form["resource"], form["scope"]) == ("r", "mail offline_access")


async def test_a_password_that_is_not_utf8() -> None:
    assert (await request(Secret.from_octets(b"p\xe4ss")))["password"] == "päss"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"error": "invalid_grant", "error_codes": [50126]}, FailureKind.WRONG_CREDENTIALS),
        ({"error": "invalid_grant"}, FailureKind.WRONG_CREDENTIALS),
        ({"error": "invalid_grant", "error_codes": [50076]}, FailureKind.MISCONFIGURED),
        ({"error": "interaction_required"}, FailureKind.MISCONFIGURED),
    ],
)
def test_refusals(fields: dict[str, object], kind: FailureKind) -> None:
    assert FLOW.kind_of(from_answer(400, fields)) is kind
