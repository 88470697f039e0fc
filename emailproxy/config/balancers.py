"""Whose word is taken for who a client is? ``proxy_protocol`` and ``proxy_protocol_from``."""

from __future__ import annotations

import re
from typing import Final

from emailproxy.config.default_accounts import parse_network
from emailproxy.config.model import Network
from emailproxy.config.options import Reader

__all__ = ["BALANCER_OPTIONS", "read_balancers"]

BALANCER_OPTIONS: Final = frozenset({"proxy_protocol", "proxy_protocol_from"})

_EXAMPLE: Final = "write the addresses of your load balancers, for instance 10.0.0.4, 10.0.1.0/24"


def read_balancers(reader: Reader) -> tuple[Network, ...]:
    """The networks of load balancers that introduce their clients; empty: clients come by themselves."""
    wanted, text = reader.boolean("proxy_protocol"), reader.text("proxy_protocol_from")
    if not wanted:
        if text is not None:
            reader.fault(
                "proxy_protocol_from", "nobody is asked for a header here", "write proxy_protocol = True, or remove it"
            )
        return ()
    if text is None:
        reader.fault("proxy_protocol_from", "without it anybody could claim to be anybody", _EXAMPLE)
        return ()
    networks = [parse_network(word) for word in re.split(r"[\s,]+", text) if word]
    found = tuple(network for network in networks if network is not None)
    if not found or len(found) < len(networks):
        reader.fault("proxy_protocol_from", "an entry is no network", _EXAMPLE)
        return ()
    if any(network.prefixlen == 0 for network in found):
        reader.warn("proxy_protocol_from", "everybody who can connect may claim to be anybody", _EXAMPLE)
    return found
