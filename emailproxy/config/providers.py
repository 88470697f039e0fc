"""How do the refresh tokens of a provider behave, if the configuration does not say? By the host of its token endpoint.

What is at stake with the last kind is the whole authorisation, and with the first one only a write more than needed; so
a provider that nobody has looked at counts as ROTATING, which is right for both others but for the turns that
SINGLE_USE takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from emailproxy.config.model import RefreshTokens

__all__ = ["refresh_tokens_of"]

_PRESETS: Final[Mapping[str, RefreshTokens]] = MappingProxyType(
    {
        # "Refresh tokens aren't revoked when used to acquire new access tokens", though each answer brings a new one:
        # learn.microsoft.com/entra/identity-platform/refresh-tokens. The national clouds run the same service.
        "login.microsoftonline.com": RefreshTokens.REUSABLE,
        "login.microsoftonline.us": RefreshTokens.REUSABLE,
        "login.chinacloudapi.cn": RefreshTokens.REUSABLE,
        "login.partner.microsoftonline.cn": RefreshTokens.REUSABLE,
        "login.live.com": RefreshTokens.REUSABLE,
        # No new one with a refresh; it stays valid until it is revoked or unused for six months:
        # developers.google.com/identity/protocols/oauth2 ("Refresh token expiration").
        "oauth2.googleapis.com": RefreshTokens.REUSABLE,
        "accounts.google.com": RefreshTokens.REUSABLE,
        "www.googleapis.com": RefreshTokens.REUSABLE,
        # "Persistent token. Use the same refresh token every time":
        # developer.yahoo.com/brightroll/dsp/api/docs/authentication/tokens, the same endpoint. AOL belongs to Yahoo.
        "api.login.yahoo.com": RefreshTokens.REUSABLE,
        "api.login.aol.com": RefreshTokens.REUSABLE,
        # Each use brings a new one, and using an old one again ends the grant: by the documentation of two clients that
        # speak JMAP with it. Fastmail's own pages do not say; if it is wrong, it costs two writes for a refresh.
        "api.fastmail.com": RefreshTokens.SINGLE_USE,
        "www.fastmail.com": RefreshTokens.SINGLE_USE,
    }
)


def refresh_tokens_of(token_url: str) -> RefreshTokens:
    """What is known of the provider at `token_url`, which may be malformed; ROTATING if nothing is."""
    try:
        host = urlsplit(token_url).hostname
    except ValueError:
        host = None
    return _PRESETS.get((host or "").rstrip("."), RefreshTokens.ROTATING)
