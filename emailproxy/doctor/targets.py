"""Which mail servers are looked at, and which of them may see an account's token?

A configuration may serve several providers, and any listener may be used by any account: the mail client decides. The
doctor has no mail client to ask, and shows a token to nobody but its own provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from emailproxy.config import Account, Config, MailProtocol

__all__ = ["Target", "is_foreign", "targets"]


@dataclass(frozen=True, slots=True)
class Target:
    """A mail server."""

    protocol: MailProtocol
    address: str
    port: int
    starttls: bool
    sasl_ir: bool
    section: str
    """The first section that leads there."""

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.protocol.value} {host}:{self.port}"


_FAMILIES: Final = (
    # (what the token endpoint's host ends in, what its mail servers' names end in)
    (("microsoftonline.com", "login.live.com", "login.windows.net"), ("office365.com", "outlook.com", "live.com")),
    (("microsoftonline.us",), ("office365.us", "outlook.us")),
    (("microsoftonline.cn", "chinacloudapi.cn"), ("outlook.cn", "office365.cn")),
    (("googleapis.com", "google.com"), ("gmail.com", "googlemail.com", "google.com")),
    (("login.yahoo.com",), ("yahoo.com",)),
    (("login.aol.com",), ("aol.com", "yahoo.com")),
    (("fastmail.com",), ("fastmail.com", "messagingengine.com")),
)
"""Providers whose servers are known by name."""


def targets(config: Config, sections: Iterable[str] = ()) -> list[Target]:
    """The mail servers behind the listeners of `config`, each once.

    Args:
        config: the configuration.
        sections: only what these listeners lead to; none: all.
    """
    wanted = {section.casefold() for section in sections}
    found: dict[tuple[MailProtocol, str, int], Target] = {}
    for server in config.servers:
        if not wanted or server.section.casefold() in wanted:
            key = server.protocol, server.server_address.casefold(), server.server_port
            found.setdefault(
                key,
                Target(
                    server.protocol,
                    server.server_address,
                    server.server_port,
                    server.server_starttls,
                    server.sasl_ir,
                    server.section,
                ),
            )
    return list(found.values())


def is_foreign(account: Account, target: Target) -> bool:
    """Whether `target` is known to belong to another provider than the one that `account` gets its tokens from."""
    issuer = (urlsplit(account.token_url).hostname or "").casefold()
    for issuers, servers in _FAMILIES:
        if _ends(issuer, issuers):
            return not _ends(target.address, servers) and any(_ends(target.address, other) for _, other in _FAMILIES)
    # Somebody's own provider: not to be shown to the large ones.
    return any(_ends(target.address, servers) for _, servers in _FAMILIES)


def _ends(host: str, names: tuple[str, ...]) -> bool:
    folded = host.casefold().rstrip(".")
    return any(folded == name or folded.endswith(f".{name}") for name in names)
