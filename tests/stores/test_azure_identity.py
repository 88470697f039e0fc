"""As whom does the proxy come to Key Vault, in which order are identities tried, and what does the log say of it?"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from emailproxy.store.base import StoreDeniedError, StoreUnavailableError
from emailproxy.testing.store_contract import EXAMPLE
from tests.stores.conftest import cannot

try:
    import azure.identity
    import azure.keyvault.secrets  # noqa: F401 - to tell a missing SDK from a failing store
except ImportError as error:
    cannot(f"the Azure SDK is not installed ({error})")

from emailproxy_backends.azure_identity import chosen_identity
from tests.stores.azure_opened import USER, Open, opened, vault
from tests.stores.azure_vault import FakeVault, jwt

__all__ = ["opened", "vault"]

ENTRA = {"AZURE_TENANT_ID": "11111111-2222-3333-4444-555555555555", "AZURE_CLIENT_ID": "workload"}


def test_which_identity_was_used_is_logged_once(
    vault: FakeVault, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "emailproxy.store")
    store = opened("&identity=11112222-0000-0000-0000-000000000000")
    store.load(USER)
    store.load("other")
    lines = [record.message for record in caplog.records if record.name == "emailproxy.store"]
    assert lines == [f"{store.address}: access with managed identity 11112222-0000-0000-0000-000000000000"]
    assert vault.token_queries[-1]["client_id"] == ["11112222-0000-0000-0000-000000000000"]
    assert vault.token_queries[-1]["resource"] == ["https://vault.azure.net"]


def test_an_identity_that_is_not_there(vault: FakeVault, opened: Open) -> None:
    vault.token_answer = (400, {"error": "invalid_request", "error_description": "Identity not found SECRET"})
    with pytest.raises(StoreDeniedError, match=r"no token .managed identity abc: invalid_request") as caught:
        opened("&identity=abc").load(USER)
    assert "SECRET" not in str(caught.value)


def test_a_token_endpoint_that_is_away(vault: FakeVault, opened: Open) -> None:
    vault.token_answer = (500, {"error": "server_error"})
    with pytest.raises(StoreUnavailableError, match=r"no token .managed identity abc: server_error"):
        opened("&identity=abc").load(USER)


def test_workload_identity_comes_first_and_alone(
    vault: FakeVault, opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", "11111111-2222-3333-4444-555555555555")
    monkeypatch.setenv("AZURE_CLIENT_ID", "workload")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreUnavailableError, match=r"no token \(workload identity workload: FileNotFoundError\)$"):
        opened().load(USER)
    assert vault.token_queries == []


def test_workload_identity_gets_its_token_from_entra(
    vault: FakeVault, opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "token").write_text("a token of the cluster")
    for name, text in {**ENTRA, "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}.items():
        monkeypatch.setenv(name, text)
    caplog.set_level(logging.INFO, "emailproxy.store")
    store = opened(f"&authority={vault.url.removeprefix('https://')}")
    store.save(USER, EXAMPLE, None)
    lines = [record.message for record in caplog.records if record.name == "emailproxy.store"]
    assert lines == [f"{store.address}: access with workload identity workload"]
    [query] = vault.token_queries
    assert query["client_assertion"] == ["a token of the cluster"]
    assert query["client_id"] == ["workload"]


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands for the Azure CLI")
def test_a_developers_login_comes_after_the_managed_identity(
    vault: FakeVault, opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = tmp_path / "az"
    token = jwt("https://vault.azure.net")
    command.write_text(f"""#!/bin/sh\necho '{{"accessToken": "{token}", "expires_on": 4102444800}}'\n""")
    command.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    caplog.set_level(logging.INFO, "emailproxy.store")
    # With a managed identity, nobody asks the CLI.
    opened().load(USER)
    # This machine has none.
    vault.token_answer = (400, {"error": "invalid_request", "error_description": "Identity not found"})
    opened().load(USER)
    lines = [record.message.partition(": access with ")[2] for record in caplog.records]
    assert [line for line in lines if line] == ["the system-assigned managed identity", "the Azure CLI's login"]


@pytest.mark.parametrize(
    ("environment", "client_id", "names"),
    [
        (
            {},
            None,
            [
                "the system-assigned managed identity",
                "the environment's application",
                "the Azure CLI's login",
                "Azure PowerShell's login",
                "the Azure Developer CLI's login",
            ],
        ),
        ({}, "mine", ["managed identity mine"]),
        ({"AZURE_CLIENT_ID": "theirs"}, "mine", ["managed identity mine"]),
        (
            {"AZURE_CLIENT_ID": "an-application", "AZURE_CLIENT_SECRET": "s", "AZURE_TENANT_ID": "t"},
            None,
            [
                "the system-assigned managed identity",
                "the environment's application an-application",
                "the Azure CLI's login",
                "Azure PowerShell's login",
                "the Azure Developer CLI's login",
            ],
        ),
        ({**ENTRA, "AZURE_FEDERATED_TOKEN_FILE": "/none"}, None, ["workload identity workload"]),
        ({**ENTRA, "AZURE_FEDERATED_TOKEN_FILE": "/none"}, "mine", ["workload identity mine"]),
        ({"AZURE_TENANT_ID": "t", "AZURE_FEDERATED_TOKEN_FILE": "/none"}, "mine", ["workload identity mine"]),
    ],
)
def test_the_order(
    environment: dict[str, str], client_id: str | None, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*ENTRA, "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    identity = chosen_identity("azure:x", client_id=client_id, authority=None, ca=None)
    assert identity.name == "none of " + ", ".join(names)
    identity.close()
