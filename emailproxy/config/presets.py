"""What does ``provider = NAME`` fill in? What is absent, in an account or a server; what is there stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from emailproxy.config.deferred import nearest
from emailproxy.config.model import MailProtocol, MailServer
from emailproxy.config.options import Option, Reader
from emailproxy.config.providers import DOMAIN, KNOWN, Provider

__all__ = [
    "DEFAULT_FLOW",
    "OF_PROVIDER",
    "PRESET_OPTIONS",
    "TENANT",
    "completed_account",
    "completed_server",
    "preset_of",
    "server_of",
]

PRESET_OPTIONS: Final = frozenset({"provider", "tenant"})

OF_PROVIDER: Final = frozenset(
    {"token_url", "permission_url", "device_authorization_url", "oauth2_scope", "oauth2_resource", "tenant"}
)
"""What says nothing about another provider: a section that names one does not inherit these."""

DEFAULT_FLOW: Final = "authorization_code"

TENANT: Final = "{tenant}"

_TENANT: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,252}")
# Other names that people use, for the remedy; they are no names here, so that there is one spelling to search for.
_ALSO: Final = {
    "microsoft": "office365",
    "microsoft365": "office365",
    "exchange": "office365",
    "o365": "office365",
    "m365": "office365",
    "hotmail": "outlook",
    "live": "outlook",
    "msn": "outlook",
    "google": "gmail",
    "googlemail": "gmail",
    "gsuite": "workspace",
    "china": "21vianet",
    "gcc-high": "us-gov",
    "gcchigh": "us-gov",
}


def preset_of(reader: Reader) -> Provider | None:
    """The provider that the section names; a fault if it is unknown, None then and if there is none."""
    name = reader.text("provider")
    if name is None or reader.placeholder("provider"):
        return None
    known = KNOWN.get(name.lower())
    if known is None:
        word = name.lower().replace(" ", "").replace("_", "-")
        near = nearest(word, [*KNOWN, *_ALSO], 0.6)
        remedy = f"did you mean {_ALSO.get(near, near)}?" if near else f"there are {', '.join(KNOWN)}"
        shown = name if name.isprintable() and len(name) <= 40 else "the value"
        reader.fault("provider", f"{shown} is no provider that is known", remedy)
    return known


def completed_account(name: str, options: Mapping[str, Option], reader: Reader) -> dict[str, Option]:
    """`options` of the account `name`, with those that its provider fills in.

    Which these are depends on ``oauth2_flow``. A tenant that is to be the account's domain is taken from
    ``upstream_user`` if there is one, for that is the address which the provider knows.
    """
    provider = preset_of(reader)
    tenant = reader.text("tenant")
    if provider is None:
        if tenant is not None and reader.text("provider") is None:
            reader.warn(
                "tenant", "it has no effect without a provider", "add provider = office365, or write it in the URLs"
            )
        return dict(options)
    if tenant is not None and not provider.tenants:
        reader.warn("tenant", "this provider has no tenants", "remove it")
    flow = reader.text("oauth2_flow") or DEFAULT_FLOW
    filled = provider.flows.get(flow)
    if filled is None:
        if reader.text("token_url") is None:
            reader.fault(
                "oauth2_flow" if reader.text("oauth2_flow") else "provider",
                f"the flow {flow} is not known to work with this provider",
                f"use one of {', '.join(provider.flows)}, or write token_url and oauth2_scope",
            )
        return dict(options)
    domain = (reader.text("upstream_user") or name).rpartition("@")[2]
    found = tenant or provider.tenants.get(flow, "").replace(DOMAIN, domain)
    completed = dict(options)
    for option, value in filled.items():
        if reader.text(option) is None and not _needs_no(option, reader):
            if TENANT in value and not _is_tenant(reader, found, flow):
                return dict(options)
            completed[option] = Option(value.replace(TENANT, found), reader.source("provider"))
    return completed


def _needs_no(option: str, reader: Reader) -> bool:
    """Whether the account says in another way what `option` is to say."""
    return option == "oauth2_resource" and reader.text("oauth2_scope") is not None


def _is_tenant(reader: Reader, tenant: str, flow: str) -> bool:
    if not tenant and reader.section == "@":
        return False  # it completes accounts, each of which has a domain
    if reader.placeholder("tenant") or _TENANT.fullmatch(tenant):
        return True
    if reader.text("tenant") is not None:
        reader.fault("tenant", "the value is no tenant", "write its id or one of its domains, such as example.com")
    elif not tenant:
        reader.fault("tenant", f"the flow {flow} needs it here", "add the tenant's id or one of its domains")
    else:
        reader.fault("tenant", "the account's domain is no tenant", "add the tenant's id or one of its domains")
    return False


def completed_server(protocol: MailProtocol, options: Mapping[str, Option], reader: Reader) -> dict[str, Option]:
    """`options` of a server section for `protocol`, with those that its provider fills in."""
    provider = preset_of(reader)
    completed = dict(options)
    if provider is None:
        return completed
    server = server_of(provider, protocol)
    source = reader.source("provider")
    given = {name for name in options if reader.text(name) is not None}
    if "server_address" not in given:
        completed["server_address"] = Option(server.address, source)
    if "server_port" not in given:
        completed["server_port"] = Option(str(server.port), source)
        if not {"server_starttls", "starttls"} & given:
            completed["server_starttls"] = Option(str(server.starttls), source)
    return completed


def server_of(provider: Provider, protocol: MailProtocol) -> MailServer:
    """The provider's server for `protocol`; each has all three."""
    return next(server for server in provider.servers if server.protocol is protocol)
