"""Which vault, which secrets in it and which options does an ``azure:`` address mean? No SDK is needed to tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from emailproxy.store.base import StoreAddressError
from emailproxy.store.document import account_hash

__all__ = ["VaultAddress", "parsed_address"]

PREFIX: Final = "emailproxy"
"""Begins the names of secrets when the address says nothing else, so that a person sees whose they are."""
NAME_LIMIT: Final = 127
"""Characters of a secret's name; the service's own limit."""
PREFIX_LIMIT: Final = NAME_LIMIT - 1 - len(account_hash(""))

LOGIN_HOSTS: Final = {
    ".vault.azure.net": "login.microsoftonline.com",
    ".vault.azure.cn": "login.chinacloudapi.cn",
    ".vault.usgovcloudapi.net": "login.microsoftonline.us",
}
"""What the names of vaults end in, cloud by cloud, and who issues the tokens there."""
BLOB_HOSTS: Final = (".blob.core.windows.net", ".blob.core.chinacloudapi.cn", ".blob.core.usgovcloudapi.net")

OPTIONS: Final = ("identity", "endpoint", "ca", "authority", "lease")

_FORM: Final = "write azure:VAULT[/PREFIX] or azure:https://VAULT.vault.azure.net[/PREFIX]"
# 3 to 24 letters, digits and hyphens, a letter first, no hyphen last.
_VAULT: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]")
_PREFIX: Final = re.compile(rf"[0-9A-Za-z-]{{1,{PREFIX_LIMIT}}}")
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+")
_CONTAINER_PATH: Final = re.compile(r"(/[A-Za-z0-9]+)?/[$a-z0-9][a-z0-9-]{2,62}/?")


@dataclass(frozen=True, slots=True)
class VaultAddress:
    """What an ``azure:`` address says. Contains no secret."""

    vault: str
    """``https://HOST`` of the vault, as people know it."""
    prefix: str = PREFIX
    """Begins the secrets' names; lower case, since the service ignores case."""
    identity: str | None = None
    """The client id of the managed (or workload) identity to use."""
    endpoint: str | None = None
    """Where to connect instead of `vault`; then it need not be a name that the token's audience covers."""
    ca: str | None = None
    """A file with the certificates to trust instead of the public ones."""
    authority: str | None = None
    """The host that issues tokens, for clouds other than the public one."""
    lease: str | None = None
    """The URL of the blob container whose leases put writers in order."""

    @property
    def text(self) -> str:
        """The address for logs, without options."""
        return f"azure:{self.vault}/{self.prefix}"

    def secret(self, account: str) -> str:
        """The name of the account's secret."""
        return f"{self.prefix}-{account_hash(account)}"


def parsed_address(rest: str) -> VaultAddress:
    """Read what follows ``azure:``.

    Raises:
        StoreAddressError: malformed; the message repeats nothing that may hide a secret.
    """
    place, _, query = rest.partition("?")
    options = _options(query)
    endpoint = _endpoint(options.get("endpoint"))
    vault, prefix, suffix = _place(place, anywhere=endpoint is not None)
    if prefix and not _PREFIX.fullmatch(prefix):
        raise StoreAddressError(
            f"azure: the prefix {prefix[:80]!r} cannot begin a secret's name; "
            f"use 1 to {PREFIX_LIMIT} letters, digits and hyphens"
        )
    return VaultAddress(
        vault=vault,
        prefix=prefix.lower() or PREFIX,
        identity=options.get("identity"),
        endpoint=endpoint,
        ca=_file(options.get("ca")),
        authority=options.get("authority") or _sovereign(suffix),
        lease=_lease(options.get("lease"), anywhere=endpoint is not None),
    )


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in OPTIONS:
            raise StoreAddressError(f"azure: no option {name[:40]!r}; there are {', '.join(OPTIONS)}")
        if name in options:
            raise StoreAddressError(f"azure: the option {name} is given twice")
        if not value or any(ord(character) < 33 for character in value):
            raise StoreAddressError(f"azure: the option {name} is empty, or holds blanks")
        options[name] = value
    return options


def _place(place: str, *, anywhere: bool) -> tuple[str, str, str]:
    """The vault's URL, the prefix as written, and the suffix of the cloud ("" if unknown)."""
    if "://" not in place:
        name, _, prefix = place.partition("/")
        if not _VAULT.fullmatch(name):
            raise StoreAddressError(f"azure: no name of a vault; {_FORM}")
        return f"https://{name.lower()}.vault.azure.net", prefix.rstrip("/"), ".vault.azure.net"
    url = _split(place, "the vault's URL")
    host = url.hostname or ""
    suffix = next((known for known in LOGIN_HOSTS if host.endswith(known)), "")
    # A misspelt or foreign host would be handed a token; only an explicit endpoint may be one.
    if not anywhere and (not _VAULT.fullmatch(host.removesuffix(suffix)) or not suffix or url.port not in (None, 443)):
        raise StoreAddressError(
            f"azure: {host or 'this'} is not the host of a vault (…{', …'.join(LOGIN_HOSTS)}); {_FORM}; "
            "for a private cloud add ?endpoint=https://HOST"
        )
    return f"https://{host}", url.path.strip("/"), suffix


def _split(text: str, what: str) -> SplitResult:
    """An https URL without user name, query and fragment (each could carry a secret)."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise StoreAddressError(f"azure: {what} is malformed; {_FORM}") from None
    if url.scheme.lower() != "https" or not _HOST.fullmatch(url.hostname or "") or "@" in url.netloc:
        raise StoreAddressError(f"azure: {what} must begin with https://HOST, without a user name")
    if url.query or url.fragment:
        raise StoreAddressError(f"azure: {what} takes no query; access is by the identity, not by a signature")
    return url


def _endpoint(text: str | None) -> str | None:
    if text is None:
        return None
    url = _split(text, "endpoint")
    if url.path.strip("/"):
        raise StoreAddressError("azure: endpoint takes no path; write endpoint=https://HOST[:PORT]")
    return f"https://{url.netloc.lower()}"


def _lease(text: str | None, *, anywhere: bool) -> str | None:
    if text is None:
        return None
    url = _split(text, "lease")
    if not _CONTAINER_PATH.fullmatch(url.path) or not (anywhere or (url.hostname or "").endswith(BLOB_HOSTS)):
        raise StoreAddressError(
            "azure: lease names no container; write lease=https://ACCOUNT.blob.core.windows.net/NAME"
        )
    return f"https://{url.netloc}{url.path.rstrip('/')}"


def _file(text: str | None) -> str | None:
    if text is not None and not Path(text).is_file():
        raise StoreAddressError(f"azure: ca={text} is no file")
    return text


def _sovereign(suffix: str) -> str | None:
    """Who issues tokens for a cloud other than the public one; None leaves it to the environment."""
    host = LOGIN_HOSTS.get(suffix)
    return None if suffix == ".vault.azure.net" else host
