"""Which mail servers are looked at, and which of them may see an account's token?

A configuration may serve several providers, and any listener may be used by any account: the mail client decides. The
doctor has no mail client to ask, and shows a token to nobody but its own provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from emailproxy.config import Account, Config, MailProtocol, MailServer

__all__ = ["Target", "is_foreign", "targets"]


@dataclass(frozen=True, slots=True)
class Target:
    """A mail server, and how it comes into question."""

    server: MailServer
    section: str
    """The first listener that leads there."""
    chosen: bool
    """The account itself names it, or its provider does."""

    def __str__(self) -> str:
        return f"{self.server.protocol.value} {self.server}"


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


def targets(config: Config, account: Account | None, sections: Iterable[str] = ()) -> list[Target]:
    """The mail servers that logins go to, each once.

    Args:
        config: the configuration.
        account: only where this one logs in.
        sections: only what these listeners lead to; none: all.
    """
    wanted = {section.casefold() for section in sections}
    found: dict[tuple[MailProtocol, str, int], Target] = {}

    def note(server: MailServer | None, section: str, *, chosen: bool) -> None:
        if server is not None:
            key = server.protocol, server.address.casefold(), server.port
            found.setdefault(key, Target(server, section, chosen))

    for listener in config.servers:
        if wanted and listener.section.casefold() not in wanted:
            continue
        if account is None:
            note(listener.mail_server, listener.section, chosen=False)
        else:
            destination = account.mail_server(listener)
            note(destination, listener.section, chosen=destination != listener.mail_server)
    if account is None and not wanted:
        for server in config.mail_servers():
            note(server, "", chosen=True)
    return list(found.values())


def is_foreign(account: Account, target: Target) -> bool:
    """Whether `target` is known to belong to another provider than the one that `account` gets its tokens from."""
    if target.chosen:
        return False
    issuer = urlsplit(account.token_url).hostname or ""
    host = target.server.address
    for issuers, servers in _FAMILIES:
        if _ends(issuer, issuers):
            return not _ends(host, servers) and any(_ends(host, other) for _, other in _FAMILIES)
    # Somebody's own provider: not to be shown to the large ones.
    return any(_ends(host, servers) for _, servers in _FAMILIES)


def _ends(host: str, names: tuple[str, ...]) -> bool:
    folded = host.casefold().rstrip(".")
    return any(folded == name or folded.endswith(f".{name}") for name in names)
