"""How does an account get its tokens? Its ``oauth2_flow``, and what only one flow or another wants to know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from emailproxy.config.deferred import nearest
from emailproxy.config.options import Reader

__all__ = [
    "FLOWS",
    "FLOW_OPTIONS",
    "INTERACTIVE",
    "check_flow_values",
    "effective_flow",
    "read_device_authorization_url",
    "read_flow",
    "read_use_pkce",
]

FLOW_OPTIONS: Final = frozenset({"oauth2_flow", "use_pkce", "device_authorization_url"})

FLOWS: Final = ("authorization_code", "device", "client_credentials", "password", "service_account")
"""The values of ``oauth2_flow``."""

INTERACTIVE: Final = frozenset({"authorization_code", "device"})

_ENTRA: Final = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.chinacloudapi.cn",
        "login.partner.microsoftonline.cn",
    }
)
# learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code
_ENTRA_TOKEN: Final = re.compile(r"(/oauth2(?:/v2\.0)?)/token$")

_GOOGLE: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(
        ("oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com"),
        # developers.google.com/identity/protocols/oauth2/limited-input-device
        "https://oauth2.googleapis.com/device/code",
    )
)


def read_flow(reader: Reader) -> str | None:
    """The value of ``oauth2_flow`` if it is one."""
    flow = reader.text("oauth2_flow")
    if flow is None or flow in FLOWS:
        return flow
    near = nearest(flow.lower().replace("-", "_").replace(" ", "_"), FLOWS, 0.5)
    remedy = f"did you mean {near}?" if near else f"the flows are {', '.join(FLOWS)}"
    printable = flow if flow.isprintable() and len(flow) <= 40 else "the value"
    reader.fault("oauth2_flow", f"{printable} is no flow that is known", remedy)
    return None


def effective_flow(reader: Reader, flow: str | None) -> str | None:
    """The flow that is used beside a ``permission_url``.

    The classic proxy uses an authorisation endpoint that is there, whatever the flow says; its files rely on it.
    """
    if flow is None and reader.text("oauth2_flow") is not None:
        return None  # unknown, and said
    if flow is None or flow in INTERACTIVE:
        return flow or "authorization_code"
    reader.warn(
        "oauth2_flow",
        f"{flow} has no effect beside a permission_url: the account uses authorization_code",
        "remove one of the two",
    )
    return "authorization_code"


def check_flow_values(reader: Reader) -> None:
    """What can be said about each value without knowing the others."""
    read_flow(reader)
    read_use_pkce(reader)
    reader.url("device_authorization_url")


def read_use_pkce(reader: Reader) -> bool | None:
    """True or False as written; None, which is ``auto`` and the default: for clients without a secret."""
    if (reader.text("use_pkce") or "auto").lower() == "auto":
        return None
    return reader.boolean("use_pkce", remedy="write True, False or auto")


def read_device_authorization_url(reader: Reader) -> str | None:
    """Where a device code is got (RFC 8628 section 3.1).

    The option itself; else what a file of the classic proxy has in its place, a ``permission_url`` that leads there;
    else what belongs to a ``token_url`` of Microsoft or Google.
    """
    given = reader.text("device_authorization_url")
    permission_url, token_url = reader.text("permission_url"), reader.text("token_url") or ""
    if given is None and permission_url is not None and "device" in _path(permission_url):
        given = permission_url
    url = given or _derived(token_url) or permission_url
    if url is None:
        reader.required("device_authorization_url", "add the endpoint that the flow device begins at")
    elif _derived(token_url) in _GOOGLE.values() and "mail.google.com" in (reader.text("oauth2_scope") or ""):
        reader.warn(
            "oauth2_flow",
            "Google does not grant its mail scope to the flow device",
            "use authorization_code, or service_account in a Workspace",
        )
    return url


def _derived(token_url: str) -> str | None:
    try:
        host = (urlsplit(token_url).hostname or "").rstrip(".")
    except ValueError:
        return None
    if host in _ENTRA and _ENTRA_TOKEN.search(token_url):
        return _ENTRA_TOKEN.sub(r"\1/devicecode", token_url)
    return _GOOGLE.get(host)


def _path(url: str) -> str:
    try:
        return urlsplit(url).path.lower()
    except ValueError:
        return ""
