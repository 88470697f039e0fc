"""Whose refresh tokens are precious, known by the token endpoint."""

from __future__ import annotations

import pytest

from emailproxy.config.model import RefreshTokens
from emailproxy.config.providers import refresh_tokens_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://login.microsoftonline.com/common/oauth2/v2.0/token", RefreshTokens.REUSABLE),
        ("https://LOGIN.partner.microsoftonline.cn:443/organizations/oauth2/token", RefreshTokens.REUSABLE),
        ("https://oauth2.googleapis.com./token", RefreshTokens.REUSABLE),
        ("https://api.login.yahoo.com/oauth2/get_token", RefreshTokens.REUSABLE),
        ("https://api.fastmail.com/oauth/refresh", RefreshTokens.SINGLE_USE),
        ("https://login.microsoftonline.com.example.com/token", RefreshTokens.ROTATING),
        ("https://user@login.example.com/login.live.com", RefreshTokens.ROTATING),
        ("https://[half", RefreshTokens.ROTATING),
        ("", RefreshTokens.ROTATING),
    ],
)
def test_by_host(url: str, expected: RefreshTokens) -> None:
    assert refresh_tokens_of(url) is expected
