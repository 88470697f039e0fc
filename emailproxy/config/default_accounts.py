"""As whom do devices send mail that cannot log in at all? ``default_account`` of an SMTP port, by client network."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from emailproxy.config.model import DefaultAccount, MailProtocol, Network
from emailproxy.config.options import Reader

__all__ = ["parse_network", "read_default_accounts"]

WIDEST: Final = {4: 8, 6: 32}
"""The shortest prefix by IP version, that of 10.0.0.0/8 and of a provider's whole IPv6: more is the Internet, and this
would be an open relay."""

_EXAMPLE: Final = "write, for instance, 10.1.2.0/24 scanner@example.com, 10.1.3.7 fax@example.com"


def read_default_accounts(reader: Reader, protocol: MailProtocol) -> tuple[DefaultAccount, ...]:
    """Who may send without a login, the narrowest network first."""
    text = reader.text("default_account")
    if text is None:
        return ()
    if protocol is not MailProtocol.SMTP:
        reader.fault("default_account", "it is for sending only", "write it into an SMTP server, or remove it")
        return ()
    found: dict[Network, str] = {}
    for entry in re.split(r"[\n,]", text):
        words = entry.split()
        if not words:
            continue
        network = parse_network(words[0])
        if len(words) != 2 or network is None:
            reader.fault("default_account", "an entry is not a network and an account", _EXAMPLE)
            return ()
        if network.prefixlen < WIDEST[network.version]:
            reader.fault("default_account", f"{network} is too wide: anybody could send mail", _EXAMPLE)
            return ()
        if found.setdefault(network, words[1]) != words[1]:
            reader.fault("default_account", f"{network} has two accounts", "name each network once")
            return ()
    for network, account in found.items():
        shown = account if account.isprintable() else "an account"
        reader.warn(
            "default_account",
            f"whoever is in {network} sends mail as {shown} without a password",
            "keep that network to devices that cannot log in, and out of reach of others",
        )
    narrowest = sorted(found, key=lambda network: -network.prefixlen)
    return tuple(DefaultAccount(network, found[network]) for network in narrowest)


def parse_network(text: str) -> Network | None:
    """The network, or the one address, that `text` names; None if it is none."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
