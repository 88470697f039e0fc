from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.store.base import StoreAddressError
from emailproxy_backends.azure_address import PREFIX_LIMIT, VaultAddress, parsed_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my-vault", VaultAddress("https://my-vault.vault.azure.net")),
        ("My-Vault/Mail", VaultAddress("https://my-vault.vault.azure.net", "mail")),
        ("https://my-vault.vault.azure.net", VaultAddress("https://my-vault.vault.azure.net")),
        ("https://my-vault.vault.azure.net:443/mail/", VaultAddress("https://my-vault.vault.azure.net", "mail")),
        (
            "https://v12.vault.azure.cn/mail",
            VaultAddress("https://v12.vault.azure.cn", "mail", authority="login.chinacloudapi.cn"),
        ),
        (
            "https://v12.vault.usgovcloudapi.net?authority=login.example.com",
            VaultAddress("https://v12.vault.usgovcloudapi.net", authority="login.example.com"),
        ),
        (
            "vault/mail?identity=00000000-1111&lease=https://account.blob.core.windows.net/leases",
            VaultAddress(
                "https://vault.vault.azure.net",
                "mail",
                identity="00000000-1111",
                lease="https://account.blob.core.windows.net/leases",
            ),
        ),
        (
            "https://vault.example.com?endpoint=https://127.0.0.1:8443/&lease=https://127.0.0.1:1/account/leases",
            VaultAddress(
                "https://vault.example.com",
                endpoint="https://127.0.0.1:8443",
                lease="https://127.0.0.1:1/account/leases",
            ),
        ),
    ],
)
def test_addresses(text: str, expected: VaultAddress) -> None:
    assert parsed_address(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no name of a vault"),
        ("ab", "no name of a vault"),
        ("1vault", "no name of a vault"),
        ("a.vault", "no name of a vault"),
        ("vault/a/b", "letters, digits and hyphens"),
        ("vault/a_b", "letters, digits and hyphens"),
        ("vault/" + "a" * (PREFIX_LIMIT + 1), f"1 to {PREFIX_LIMIT} letters"),
        ("http://vault.vault.azure.net", "must begin with https"),
        ("https://vault.vault.azure.net.example.com", r"is not the host of a vault .*\?endpoint="),
        ("https://vault.azure.net", "is not the host of a vault"),
        ("https://a.b.vault.azure.net", "is not the host of a vault"),
        ("https://vault.vault.azure.net:8443", "is not the host of a vault"),
        ("https://vault.vault.azure.net:port", "malformed"),
        ("https://user:SECRET@vault.vault.azure.net", "without a user name"),
        ("vault?endpoint=https://127.0.0.1/x", "takes no path"),
        ("vault?endpoint=http://127.0.0.1", "must begin with https"),
        ("vault?region=x", "no option 'region'; there are identity, endpoint, ca, authority, lease"),
        ("vault?identity=", "is empty"),
        ("vault?identity=a&identity=b", "is given twice"),
        ("vault?ca=/nowhere/ca.pem", "ca=/nowhere/ca.pem is no file"),
        ("vault?lease=https://account.blob.core.windows.net", "names no container"),
        ("vault?lease=https://example.com/leases", "names no container"),
        ("vault?lease=https://account.blob.core.windows.net/leases?sig=SECRET", "takes no query"),
        ("vault?lease=https://account.blob.core.windows.net/leases&sig=SECRET", "no option 'sig'"),
    ],
)
def test_malformed_addresses(text: str, message: str) -> None:
    with pytest.raises(StoreAddressError, match=message) as caught:
        parsed_address(text)
    assert "SECRET" not in str(caught.value)


def test_authorities_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("certificates")
    assert parsed_address(f"vault?ca={tmp_path}/ca.pem").ca == f"{tmp_path}/ca.pem"


def test_names_of_secrets_are_legal_however_long_the_account_s() -> None:
    address = parsed_address("vault/" + "A" * PREFIX_LIMIT)
    name = address.secret("a" * 300 + "@example.com")
    assert len(name) == 127
    assert name.isascii()
    assert name == name.lower()
    assert name.replace("-", "").isalnum()


def test_the_text_of_an_address_has_no_options() -> None:
    assert parsed_address("vault?identity=x").text == "azure:https://vault.vault.azure.net/emailproxy"
