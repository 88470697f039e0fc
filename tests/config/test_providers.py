"""Whose refresh tokens are precious, known by the token endpoint."""

from __future__ import annotations

import pytest

from emailproxy.config.flows import FLOWS
from emailproxy.config.model import MailProtocol, RefreshTokens
from emailproxy.config.providers import KNOWN, refresh_tokens_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://login.microsoftonline.com/common/oauth2/v2.0/token", RefreshTokens.REUSABLE),
        ("https://LOGIN.partner.microsoftonline.cn:443/organizations/oauth2/token", RefreshTokens.REUSABLE),
        ("https://oauth2.googleapis.com./token", RefreshTokens.REUSABLE),
        ("https://api.login.yahoo.com/oauth2/get_token", RefreshTokens.REUSABLE),
        ("https://api.fastmail.com/oauth/refresh", RefreshTokens.SINGLE_USE),
        ("https://login.chinacloudapi.cn/common/oauth2/token", RefreshTokens.REUSABLE),
        ("https://login.microsoftonline.us/organizations/oauth2/v2.0/token", RefreshTokens.REUSABLE),
        ("https://www.googleapis.com/oauth2/v4/token", RefreshTokens.REUSABLE),
        ("https://login.microsoftonline.com.example.com/token", RefreshTokens.ROTATING),
        ("https://user@login.example.com/login.live.com", RefreshTokens.ROTATING),
        ("https://[half", RefreshTokens.ROTATING),
        ("", RefreshTokens.ROTATING),
    ],
)
def test_by_host(url: str, expected: RefreshTokens) -> None:
    assert refresh_tokens_of(url) is expected


@pytest.mark.parametrize("name", KNOWN)
def test_a_provider_is_told_whole(name: str) -> None:
    provider = KNOWN[name]
    assert [server.protocol for server in provider.servers] == list(MailProtocol)
    # Submission begins in plain text on 587 and nowhere else (RFC 8314).
    assert all(server.starttls == (server.port == 587) for server in provider.servers)
    assert set(provider.flows) <= set(FLOWS)
    assert set(provider.tenants) in (set(), set(provider.flows))
    for options in provider.flows.values():
        assert options["token_url"].startswith("https://")
        assert "oauth2_scope" in options or "oauth2_resource" in options
        assert ("{tenant}" in options["token_url"]) == bool(provider.tenants)
        assert refresh_tokens_of(options["token_url"]) is provider.refresh_tokens
