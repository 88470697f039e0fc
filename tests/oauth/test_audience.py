"""For whom assertions are."""

from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.assertions.base import IssuerAddress
from emailproxy.config.identity import Certificate
from emailproxy.oauth.audience import audience_of

from .support import unattended


@pytest.mark.parametrize(
    ("host", "audience"),
    [
        ("login.microsoftonline.com", "api://AzureADTokenExchange"),
        ("LOGIN.microsoftonline.com.", "api://AzureADTokenExchange"),
        ("login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
        ("login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
        ("login.chinacloudapi.cn", "api://AzureADTokenExchangeChina"),
        ("sso.example.com", None),
        ("login.microsoftonline.com.example.com", None),
    ],
)
def test_federation(host: str, audience: str | None) -> None:
    url = f"https://{host}/tenant/oauth2/v2.0/token"
    account = unattended("client_credentials", token_url=url, client_assertion=IssuerAddress("gcp"))
    assert audience_of(account) == (audience or url)


def test_a_certificate_speaks_to_the_endpoint_itself() -> None:
    url = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"
    account = unattended("client_credentials", token_url=url, certificate=Certificate(Path("c.pem")))
    assert audience_of(account) == url
