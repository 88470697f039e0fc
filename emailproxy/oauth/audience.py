"""For whom is an assertion? The token endpoint itself; in Entra's federation, what stands for its cloud."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from emailproxy.config.model import Account

__all__ = ["audience_of"]

_PUBLIC: Final = "api://AzureADTokenExchange"

# learn.microsoft.com/entra/workload-id: an issuer's token is for the cloud that exchanges it.
_ENTRA: Final[Mapping[str, str]] = MappingProxyType(
    {
        "login.microsoftonline.com": _PUBLIC,
        "login.microsoft.com": _PUBLIC,
        "login.windows.net": _PUBLIC,
        "sts.windows.net": _PUBLIC,
        "login.microsoftonline.us": f"{_PUBLIC}USGov",
        "login.partner.microsoftonline.cn": f"{_PUBLIC}China",
        "login.chinacloudapi.cn": f"{_PUBLIC}China",
    }
)


def audience_of(account: Account) -> str:
    """The audience of the account's client assertions: the token endpoint (RFC 7523 section 3), or Entra's name."""
    if account.client_assertion is None:
        return account.token_url
    host = urlsplit(account.token_url).hostname or ""
    return _ENTRA.get(host.rstrip("."), account.token_url)
