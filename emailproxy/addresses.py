"""Which addresses are one client? An IPv4 address, or an IPv6 /64, which is what one customer has."""

from __future__ import annotations

import ipaddress

__all__ = ["host_of", "network_of"]


def network_of(address: str) -> str:
    """The network that counts as one client; what is no address counts by itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def host_of(peer: str) -> str:
    """The address in ``192.0.2.1:4711`` or ``[2001:db8::1]:4711``, as a session names its client."""
    if peer.startswith("["):
        return peer[1:].partition("]")[0]
    host, colon, _ = peer.rpartition(":")
    return host if colon and ":" not in host else peer
