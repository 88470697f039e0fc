from __future__ import annotations

import pytest

from emailproxy.config.model import Account

from .conftest import SERVER, Load
from .test_accounts import account, only

ENTRA = "https://login.microsoftonline.com/common/oauth2"


def device(loaded: Load, **options: str | None) -> Account:
    return only(loaded, account(oauth2_flow="device", **options))


class TestDeviceAuthorizationUrl:
    def test_given(self, loaded: Load) -> None:
        url = "https://login.example.com/device/auth"
        assert device(loaded, device_authorization_url=url).device_authorization_url == url
        assert (
            device(loaded, device_authorization_url=url, permission_url="https://x.org/d").device_authorization_url
            == url
        )

    def test_of_the_classic_proxy(self, loaded: Load) -> None:
        """Its files name the endpoint in permission_url."""
        found = device(loaded, permission_url="https://login.example.com/DeviceCode")
        assert (found.oauth2_flow, found.device_authorization_url) == ("device", "https://login.example.com/DeviceCode")
        assert device(loaded, permission_url="https://x.org/begin").device_authorization_url == "https://x.org/begin"

    @pytest.mark.parametrize(
        ("token_url", "expected"),
        [
            (f"{ENTRA}/v2.0/token", f"{ENTRA}/v2.0/devicecode"),
            (f"{ENTRA}/token", f"{ENTRA}/devicecode"),
            (
                "https://login.microsoftonline.us/t/oauth2/v2.0/token",
                "https://login.microsoftonline.us/t/oauth2/v2.0/devicecode",
            ),
            ("https://oauth2.googleapis.com/token", "https://oauth2.googleapis.com/device/code"),
            ("https://accounts.google.com/o/oauth2/token", "https://oauth2.googleapis.com/device/code"),
        ],
    )
    def test_derived(self, loaded: Load, token_url: str, expected: str) -> None:
        assert device(loaded, token_url=token_url).device_authorization_url == expected
        # An authorisation endpoint that somebody left there is not where a device code is got.
        left = device(loaded, token_url=token_url, permission_url=f"{ENTRA}/v2.0/authorize")
        assert left.device_authorization_url == expected

    def test_nowhere(self, loaded: Load) -> None:
        for token_url in ("https://login.example.com/token", "https://login.microsoftonline.com/odd"):
            section, option, text = loaded(SERVER + account(oauth2_flow="device", token_url=token_url)).fault()
            assert (section, option) == ("ada@example.com", "device_authorization_url")
            assert "add the endpoint" in text

    def test_no_url(self, loaded: Load) -> None:
        assert loaded(SERVER + account(oauth2_flow="device", device_authorization_url="ftp://x")).fault()[1] == (
            "device_authorization_url"
        )

    def test_other_flows_have_none(self, loaded: Load) -> None:
        assert only(loaded, account(oauth2_flow="password")).device_authorization_url is None

    def test_google_does_not_grant_mail(self, loaded: Load) -> None:
        text = account(
            oauth2_flow="device",
            token_url="https://oauth2.googleapis.com/token",
            oauth2_scope="https://mail.google.com/",
        )
        [warning] = loaded(SERVER + text).warnings
        assert (warning.option, "does not grant its mail scope" in warning.problem) == ("oauth2_flow", True)


class TestUsePkce:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [(None, None), ("auto", None), (" Auto ", None), ("True", True), ("no", False), ("", None)],
    )
    def test_values(self, loaded: Load, text: str | None, expected: bool | None) -> None:
        assert only(loaded, account(oauth2_flow="password", use_pkce=text)).use_pkce is expected

    def test_anything_else(self, loaded: Load) -> None:
        _, option, text = loaded(SERVER + account(oauth2_flow="password", use_pkce="S256")).fault()
        assert option == "use_pkce"
        assert "write True, False or auto" in text
