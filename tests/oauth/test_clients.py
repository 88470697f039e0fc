"""Who the proxy says it is. The rest, with a provider: tests/oauth/tokens/test_rotated_secrets.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.clients import Clients
from emailproxy.oauth.endpoint import ClientCredentials
from emailproxy.oauth.proving import Proofs
from emailproxy.oauth.refusals import TokenEndpointError
from emailproxy.references.base import Reference
from emailproxy.references.resolver import Resolver
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.references.fakes import FakeSource, sources

from .support import ACCOUNT


@pytest.fixture
def vault() -> FakeSource:
    return FakeSource({"id": "from-the-vault", "app": "s3cret"})


@pytest.fixture
def clients(vault: FakeSource) -> Clients:
    some = sources(vault)
    some.check(Reference("vault", "id"))
    return Clients(Resolver(lambda: 900.0, some), Proofs(lambda: 0.0))


async def test_plain_values_are_used_as_they_are(clients: Clients, vault: FakeSource) -> None:
    assert await clients.configured_secret(ACCOUNT) == ACCOUNT.client_secret
    credentials = await clients.credentials(ACCOUNT, Secret("the-client-secret"))
    assert credentials == ClientCredentials("the-client", Secret("the-client-secret"))
    assert credentials.renewed is None, "there is nothing that could have changed"
    assert not vault.reads


async def test_references_are_followed(clients: Clients, vault: FakeSource, autojump_clock: PatientClock) -> None:
    account = replace(ACCOUNT, client_id=Reference("vault", "id"), client_secret=Reference("vault", "app"))
    secret = await clients.configured_secret(account)
    credentials = await clients.credentials(account, secret)
    assert credentials == ClientCredentials("from-the-vault", Secret("s3cret"))
    assert "s3cret" not in repr(credentials)
    assert credentials.renewed is not None
    assert await credentials.renewed() is None
    vault.values["id"] = "renamed"
    assert await credentials.renewed() is None, "asked a moment ago"


async def test_a_secret_from_elsewhere_goes_on_with_a_new_id(clients: Clients, vault: FakeSource) -> None:
    account = replace(ACCOUNT, client_id=Reference("vault", "id"), client_secret=None)
    credentials = await clients.credentials(account, Secret("sealed in the record"))
    assert credentials.renewed is not None
    vault.values["id"] = "renamed"
    assert await credentials.renewed() == ClientCredentials("renamed", Secret("sealed in the record"))


async def test_without_an_id(clients: Clients) -> None:
    with pytest.raises(TokenEndpointError, match="client_id is missing"):
        await clients.credentials(replace(ACCOUNT, client_id=None), None)


async def test_an_id_that_is_not_there(clients: Clients) -> None:
    with pytest.raises(LoginFailed) as caught:
        await clients.credentials(replace(ACCOUNT, client_id=Reference("vault", "none")), None)
    assert caught.value.failure.kind is FailureKind.MISCONFIGURED
    assert "client_id: vault:none: there is no such secret; create it" in caught.value.failure.detail
