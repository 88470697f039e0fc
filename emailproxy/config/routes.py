"""Under which name, and at which server, does an account log in? What it says besides how it gets its tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from emailproxy.config.model import Account, MailProtocol, MailServer
from emailproxy.config.options import Findings, Reader, is_host
from emailproxy.config.presets import preset_of

__all__ = ["ROUTE_OPTIONS", "check_aliases", "check_starttls", "inherited", "is_server_name", "read_route"]

_ALIAS: Final = "login_alias"
ROUTE_OPTIONS: Final = frozenset({_ALIAS, "upstream_user"}).union(
    *(
        (f"{name}_server", f"{name}_starttls", f"upstream_user_{name}")
        for name in (protocol.value.lower() for protocol in MailProtocol)
    )
)

# Written out once, as each account is asked for all of them.
_SERVER_OPTION: Final = {protocol: f"{protocol.value.lower()}_server" for protocol in MailProtocol}
_STARTTLS_OPTION: Final = {protocol: f"{protocol.value.lower()}_starttls" for protocol in MailProtocol}
_UPSTREAM_USER: Final = {protocol: f"upstream_user_{protocol.value.lower()}" for protocol in MailProtocol}

TLS_PORTS: Final = {MailProtocol.IMAP: 993, MailProtocol.POP: 995, MailProtocol.SMTP: 465}
STARTTLS_PORTS: Final = {MailProtocol.IMAP: 143, MailProtocol.POP: 110, MailProtocol.SMTP: 587}

MAX_USER: Final = 320
"""Characters of a user name: the longest mail address (RFC 5321, 4.5.3.1) has 64, an at sign, and 255."""

_SERVER: Final = re.compile(
    r"(?:\[(?P<literal>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<name>[^\s:\[\]]+))(?::(?P<port>[^\s:/]+))?"
)


def inherited(option: str) -> bool:
    """Whether a template's `option` counts for the accounts that it completes. An alias is one account's."""
    return option != _ALIAS


def read_route(reader: Reader, account: Account) -> Account:
    """`account` with its names and servers. What is wrong with them is noted, and then the result is of no use."""
    provider = preset_of(reader)
    servers = []
    users = []
    for protocol in MailProtocol:
        server = _read_server(reader, protocol)
        if server is not None:
            servers.append(server)
        user = _read_user(reader, _UPSTREAM_USER[protocol])
        if user is not None:
            users.append((protocol, user))
    if account.section.startswith("@") and reader.text(_ALIAS) is not None:
        reader.fault(_ALIAS, "a catch-all section stands for many accounts", "give the account a section of its own")
    return replace(
        account,
        provider=(reader.text("provider") or "").lower() if provider is not None else None,
        login_aliases=_read_aliases(reader),
        upstream_user=_read_user(reader, "upstream_user"),
        protocol_users=tuple(users),
        servers=tuple(servers),
        provider_servers=provider.servers if provider is not None else (),
    )


def _read_user(reader: Reader, option: str) -> str | None:
    user = reader.text(option)
    if user is not None and (not user.isprintable() or len(user) > MAX_USER):
        # It goes into the XOAUTH2 response, where a control character would start a new field.
        reader.fault(option, "the value is no user name", "write the mailbox's address, such as ada@example.com")
        return None
    return user


def _read_aliases(reader: Reader) -> tuple[str, ...]:
    text = reader.text(_ALIAS)
    aliases = tuple(dict.fromkeys(re.split(r"[\s,]+", text.strip(" \t\r\n,")))) if text is not None else ()
    if not all(alias and alias.isprintable() and len(alias) <= MAX_USER for alias in aliases):
        reader.fault(_ALIAS, "not every word is a user name", "write names with commas between: scanner, copier-2")
        return ()
    return aliases


def check_aliases(accounts: Mapping[str, Account], findings: Findings) -> None:
    """Note a fault for each alias that could mean two accounts. Without case, as all names of accounts are compared."""
    if not any(account.login_aliases for account in accounts.values()):
        return
    taken = {name.casefold(): name for name in accounts}
    for section, account in accounts.items():
        for alias in account.login_aliases:
            other = taken.setdefault(alias.casefold(), section)
            if other == section:
                continue
            kind = "is the name of" if other.casefold() == alias.casefold() else "is also an alias of"
            findings.fault(section, _ALIAS, f"{_shown(alias)} {kind} [{other}]", "give each account names of its own")


def _shown(alias: str) -> str:
    return alias if len(alias) <= 48 else alias[:45] + "..."


def _read_server(reader: Reader, protocol: MailProtocol) -> MailServer | None:
    option, starttls_option = _SERVER_OPTION[protocol], _STARTTLS_OPTION[protocol]
    starttls = reader.boolean(starttls_option)
    text = reader.text(option)
    if text is None:
        if reader.text(starttls_option) is not None:
            reader.fault(starttls_option, f"there is no {option} that it could be about", f"add {option}, or remove it")
        return None
    if reader.placeholder(option):
        return None
    match = _SERVER.fullmatch(text)
    host = (match["literal"] or match["name"]) if match is not None else None
    if match is None or host is None or not (match["literal"] or is_server_name(host)):
        reader.fault(
            option,
            "the value is no server",
            f"write HOST or HOST:PORT, such as {protocol.value.lower()}.example.com:{TLS_PORTS[protocol]}",
        )
        return None
    port = match["port"]
    if port is None:
        return MailServer(protocol, host, (STARTTLS_PORTS if starttls else TLS_PORTS)[protocol], starttls)
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        reader.fault(option, "its port is outside 1-65535", "write a port between 1 and 65535 behind the colon")
        return None
    check_starttls(reader, option, starttls_option, int(port), starttls=starttls)
    return MailServer(protocol, host, int(port), starttls)


def is_server_name(host: str) -> bool:
    """Whether `host` can be the name or address of a server."""
    return bool(re.fullmatch(r"[\w.-]+|[0-9A-Fa-f:.]+(%\w+)?", host)) and is_host(host)


def check_starttls(reader: Reader, port_option: str, option: str, port: int | None, *, starttls: bool) -> None:
    """Warn where a port and the kind of TLS do not go together (RFC 8314): the two would wait for each other."""
    if starttls and port in TLS_PORTS.values():
        reader.warn(option, f"servers speak TLS from the first octet on port {port}", "write False")
    elif not starttls and port in {25, *STARTTLS_PORTS.values()}:
        reader.warn(port_option, f"servers begin in plain text on port {port}", f"add {option} = True")
