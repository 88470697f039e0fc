"""Whom does a load balancer speak for? Reads its PROXY protocol header before anything else, and nothing behind it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

import trio

from emailproxy.config.model import Network
from emailproxy.protocols.proxy_header import ProxyHeader, ProxyHeaderError

__all__ = ["HEADER_LIMIT", "introduced", "is_trusted"]

HEADER_LIMIT = 5.0
"""Seconds: a balancer sends the header with its first packet; the protocol's text asks for three at least."""


def is_trusted(host: str, networks: Sequence[Network]) -> bool:
    """Whether the address `host` may say who its client is."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if address.version == 6 else None
    return any((mapped or address) in network for network in networks)


async def introduced(sock: socket.socket, address: tuple[str, int]) -> tuple[str, int]:
    """The address and port of the client behind `sock`, which is non-blocking; `address` if the header says none.

    Raises:
        ProxyHeaderError: there is no header, or not in time.
        OSError: the connection is broken.
    """
    header = ProxyHeader()
    with trio.move_on_after(HEADER_LIMIT):
        while header.wanted:
            try:
                data = sock.recv(header.wanted)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(sock)
                continue
            if not data:
                raise ConnectionResetError("closed before its PROXY protocol header was complete")
            header.feed(data)
        return header.source or address
    raise ProxyHeaderError(f"no PROXY protocol header within {HEADER_LIMIT:.0f} s")
