"""Which secret of which vault an ``azure:`` reference means. No SDK is needed to tell."""

from __future__ import annotations

import sys

import pytest

from emailproxy.store.base import StoreAddressError
from emailproxy_backends.secret_azure import AzureSource, parsed

VERSION = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("rest", "vault", "name", "version"),
    [
        ("office/secrets/mail-app", "https://office.vault.azure.net", "mail-app", None),
        ("https://office.vault.azure.net/secrets/mail-app", "https://office.vault.azure.net", "mail-app", None),
        (f"office/secrets/x/{VERSION}", "https://office.vault.azure.net", "x", VERSION),
        (f"https://o12.vault.azure.cn/secrets/x/{VERSION}/", "https://o12.vault.azure.cn", "x", VERSION),
        ("https://v12.vault.usgovcloudapi.net/secrets/secrets", "https://v12.vault.usgovcloudapi.net", "secrets", None),
        ("secrets/secrets/secrets", "https://secrets.vault.azure.net", "secrets", None),
    ],
)
def test_address(rest: str, vault: str, name: str, version: str | None) -> None:
    address = parsed(rest)
    assert (address.vault.vault, address.name, address.version) == (vault, name, version)
    assert address.text == f"azure:{vault}/secrets/{name}" + (f"/{version}" if version else "")


def test_options() -> None:
    address = parsed("office/secrets/x?identity=11111111-0000-0000-0000-000000000000&endpoint=https://127.0.0.1:1")
    assert address.vault.identity == "11111111-0000-0000-0000-000000000000"
    assert address.vault.endpoint == "https://127.0.0.1:1"
    assert address.text == "azure:https://office.vault.azure.net/secrets/x"


def test_secrets_of_one_vault_share_a_client() -> None:
    assert parsed("office/secrets/a").vault == parsed(f"https://office.vault.azure.net/secrets/b/{VERSION}").vault
    assert parsed("office/secrets/a").vault != parsed("office/secrets/a?identity=x").vault


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("", "names no secret"),
        ("office", "names no secret"),
        ("office/mail-app", "names no secret"),
        ("office/secrets/", "names no secret"),
        ("office/secrets/mail_app", "names no secret"),
        ("office/secrets/a/b/c", "names no secret"),
        ("office/keys/a/secrets/b", "something between"),
        ("http://office.vault.azure.net/secrets/a", "something between"),
        ("https://evil.example.com/secrets/a", "is not the host of a vault"),
        ("https://u:p@office.vault.azure.net/secrets/a", "user name"),
        ("office/secrets/a?lease=https://a.blob.core.windows.net/leases", "lease is an option of stores"),
        ("office/secrets/a?colour=red", "no option"),
    ],
)
def test_malformed(rest: str, problem: str) -> None:
    with pytest.raises(StoreAddressError, match=problem):
        parsed(rest)


def test_the_sdk_is_asked_for_when_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.keyvault.secrets", None)
    with pytest.raises(ImportError):
        AzureSource().check("office/secrets/a")
