"""References into Key Vault: the SDK's own client against a vault of ours."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailproxy.references.base import Reference
from emailproxy.references.sources import Sources
from emailproxy.store.base import StoreAddressError, StoreDeniedError, StoreError, StoreUnavailableError
from tests.stores.conftest import cannot

try:
    import azure.identity
    import azure.keyvault.secrets  # noqa: F401 - to tell a missing SDK from a failing source
except ImportError as error:
    cannot(f"the Azure SDK is not installed ({error})")

from tests.stores.azure_opened import refusing, vault
from tests.stores.azure_vault import FakeVault, _Version, forbidden, refusal

__all__ = ["vault"]

SECRET = "s3cret-of-the-application"
OLD = "0" * 32


@pytest.fixture
def sources(vault: FakeVault) -> Iterator[Sources]:
    vault.secrets["mail-app"] = [_Version(OLD, "an-old-s3cret", {}), _Version("1" * 32, SECRET, {})]
    some = Sources()
    yield some
    some.close()


@pytest.fixture
def place(vault: FakeVault, tmp_path: Path) -> str:
    return f"?endpoint={vault.url}&ca={tmp_path / 'ca.pem'}"


def reference(name: str, place: str) -> Reference:
    return Reference("azure", f"office/secrets/{name}{place}")


def test_the_current_version_and_an_older_one(
    sources: Sources, vault: FakeVault, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="emailproxy")
    found = sources.read(reference("mail-app", place), dated=True)
    assert found.value.reveal() == SECRET
    assert found.changed == dt.datetime.fromtimestamp(1_790_000_000, dt.UTC)
    assert sources.read(reference(f"Mail-App/{OLD}", place)).value.reveal() == "an-old-s3cret"
    assert vault.requests == {"GET secrets": 2}
    assert len(vault.token_queries) == 1, "one vault, one client, one token"
    assert caplog.messages == ["azure:https://office.vault.azure.net: access with the system-assigned managed identity"]


def test_rotation(sources: Sources, vault: FakeVault, place: str) -> None:
    sources.read(reference("mail-app", place))
    vault.secrets["mail-app"].append(_Version("2" * 32, "a-new-s3cret", {}))
    assert sources.read(reference("mail-app", place)).value.reveal() == "a-new-s3cret"


def test_the_identity_of_the_address(sources: Sources, vault: FakeVault, place: str) -> None:
    sources.read(reference("mail-app", f"{place}&identity=the-client"))
    assert vault.token_queries[0]["client_id"] == ["the-client"]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            forbidden(),
            StoreDeniedError,
            [
                "managed identity",
                "appid aaaa",
                "lacks the permission Microsoft.KeyVault/vaults/secrets/getSecret",
            ],
        ),
        (forbidden("ForbiddenByFirewall"), StoreDeniedError, ["the vault's firewall does not admit this machine"]),
        (refusal(429, "Throttled", Retry_After="60"), StoreUnavailableError, ["the service is throttling"]),
        (refusal(503, "ServiceUnavailable", Retry_After="60"), StoreUnavailableError, ["trouble of its own"]),
    ],
)
def test_refusals(
    sources: Sources, vault: FakeVault, place: str, answer: object, kind: type[StoreError], words: list[str]
) -> None:
    vault.trouble = refusing("GET", answer)  # type: ignore[arg-type]
    with pytest.raises(kind) as caught:
        sources.read(reference("mail-app", place))
    assert str(caught.value).startswith("azure:https://office.vault.azure.net/secrets/mail-app ")
    for word in words:
        assert word in str(caught.value)
    assert SECRET not in str(caught.value)


def test_absent_disabled_and_no_token(sources: Sources, vault: FakeVault, place: str) -> None:
    with pytest.raises(StoreAddressError, match="secrets/none: there is no such secret; create it"):
        sources.read(reference("none", place))
    with pytest.raises(StoreAddressError, match="there is no such secret or version; create it"):
        sources.read(reference(f"mail-app/{'9' * 32}", place))
    vault.secrets["mail-app"][-1].enabled = False
    with pytest.raises(StoreDeniedError, match="the secret is disabled; enable"):
        sources.read(reference("mail-app", place))


def test_no_identity(sources: Sources, vault: FakeVault, place: str) -> None:
    vault.token_answer = 400, {"error": "invalid_request", "error_description": "Identity not found"}
    with pytest.raises(StoreDeniedError, match=r"no token \(managed identity nobody: invalid_request\)"):
        sources.read(reference("mail-app", f"{place}&identity=nobody"))


def test_an_untrusted_certificate(sources: Sources, vault: FakeVault) -> None:
    with pytest.raises(StoreUnavailableError, match="certificate is not trusted"):
        sources.read(reference("mail-app", f"?endpoint={vault.url}"))
