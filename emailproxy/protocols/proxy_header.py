"""Who is the client behind a load balancer? What the balancer says first: a PROXY protocol header, version 1 or 2.

(https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt.) What follows belongs to the client, or to TLS, so not one
octet behind the header may be read: `ProxyHeader.wanted` says how many still belong to it.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Final

__all__ = ["ProxyHeader", "ProxyHeaderError"]

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
"""Of version 2. Version 1 has no shorter header, so that many octets can always be read."""
MAX_VERSION_1: Final = 107
"""Octets with CRLF: section 2.1."""
MAX_VERSION_2: Final = 4096
"""Octets behind the first 16, of 65,535 possible: addresses take 36, and what cloud services add some hundred."""

_FIXED: Final = 16
_ADDRESSES: Final = {0x11: ("!4s4sHH", 12), 0x21: ("!16s16sHH", 36)}
"""TCP over IPv4 and IPv6."""


class ProxyHeaderError(Exception):
    """What comes first is no header; the message says what is wrong with it, never what it was."""


class ProxyHeader:
    """One header, being read.

    Attributes:
        wanted: octets that still belong to it for certain; 0: it is complete.
        source: the client's address and port; None: the header does not say, so the connection's own count.
    """

    __slots__ = ("_data", "source", "wanted")

    def __init__(self) -> None:
        self._data = b""
        self.wanted = len(SIGNATURE)
        self.source: tuple[str, int] | None = None

    def feed(self, data: bytes) -> None:
        """Take `wanted` octets, or fewer.

        Raises:
            ProxyHeaderError: it is none.
        """
        assert len(data) <= self.wanted, "octets of the client"
        self._data += data
        self.wanted -= len(data)
        if self.wanted:
            return
        if self._data.startswith(SIGNATURE):
            self._continue_version_2()
        elif self._data.startswith(b"PROXY "):
            self._continue_version_1()
        else:
            raise ProxyHeaderError("the connection does not start with a PROXY protocol header")

    def _continue_version_1(self) -> None:
        if not self._data.endswith(b"\r\n"):
            if len(self._data) >= MAX_VERSION_1:
                raise ProxyHeaderError(f"its PROXY protocol header has more than {MAX_VERSION_1} octets")
            self.wanted = 1
            return
        words = self._data[:-2].decode("ascii", "replace").split(" ")
        if words[1] == "UNKNOWN":
            return
        versions = {"TCP4": 4, "TCP6": 6}
        try:
            _, family, source, destination, port, other_port = words
            version = versions[family]
            addresses = [ipaddress.ip_address(text) for text in (source, destination)]
            ports = [_port(text) for text in (port, other_port)]
        except (ValueError, KeyError):
            raise ProxyHeaderError("its PROXY protocol header is malformed") from None
        if any(address.version != version for address in addresses):
            raise ProxyHeaderError("its PROXY protocol header is malformed")
        self.source = _plain(addresses[0]), ports[0]

    def _continue_version_2(self) -> None:
        if len(self._data) < _FIXED:
            self.wanted = _FIXED - len(self._data)
            return
        kind, family, length = struct.unpack_from("!BBH", self._data, len(SIGNATURE))
        if kind not in (0x20, 0x21):
            raise ProxyHeaderError("its PROXY protocol header has an unknown version or command")
        if length > MAX_VERSION_2:
            raise ProxyHeaderError(f"its PROXY protocol header has more than {MAX_VERSION_2} octets")
        self.wanted = _FIXED + length - len(self._data)
        # LOCAL is the balancer's own connection, a health check; a family that is not TCP's has no such addresses.
        if self.wanted or kind == 0x20 or family not in _ADDRESSES:
            return
        form, size = _ADDRESSES[family]
        if length < size:
            raise ProxyHeaderError("its PROXY protocol header is malformed")
        source, _, port, _ = struct.unpack_from(form, self._data, _FIXED)
        self.source = _plain(ipaddress.ip_address(source)), port


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An IPv4 address as one, however it was carried."""
    mapped = address.ipv4_mapped if address.version == 6 else None
    return str(mapped or address)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise ValueError
    return int(text)
