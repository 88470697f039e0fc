"""PROXY protocol headers, octet by octet: who is told, and that nothing behind them is read."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.protocols.proxy_header import MAX_VERSION_1, MAX_VERSION_2, SIGNATURE, ProxyHeader, ProxyHeaderError


def version_2(source: str, destination: str, port: int = 4711, *, command: int = 0x21, tlv: bytes = b"") -> bytes:
    one, other = (ipaddress.ip_address(text).packed for text in (source, destination))
    body = one + other + struct.pack("!HH", port, 993) + tlv
    return SIGNATURE + struct.pack("!BBH", command, 0x11 if len(one) == 4 else 0x21, len(body)) + body


def read(octets: bytes, piece: int = 10_000) -> tuple[tuple[str, int] | None, bytes]:
    """What the header says, and what is left for the client."""
    header = ProxyHeader()
    while header.wanted:
        data = octets[: min(header.wanted, piece)]
        assert data, "it wants more than there is"
        header.feed(data)
        octets = octets[len(data) :]
    return header.source, octets


GOOD = [
    (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 993\r\n", ("192.0.2.1", 4711)),
    (b"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n", ("2001:db8::1", 0)),
    (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", ("192.0.2.1", 1)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::ffff ffff::ffff 65535 65535\r\n", None),
    (version_2("192.0.2.1", "10.0.0.1"), ("192.0.2.1", 4711)),
    (version_2("2001:db8::1", "::1", tlv=b"\x04\x00\x01x"), ("2001:db8::1", 4711)),
    (version_2("192.0.2.1", "10.0.0.1", command=0x20), None),
    (SIGNATURE + b"\x20\x00\x00\x00", None),
    (SIGNATURE + b"\x21\x00\x00\x00", None),
    (SIGNATURE + b"\x21\x31" + struct.pack("!H", 216) + bytes(216), None),
]


@pytest.mark.parametrize(("octets", "source"), GOOD, ids=range(len(GOOD)))
@pytest.mark.parametrize("piece", [1, 5, 10_000])
def test_it_says_who_the_client_is_and_leaves_what_is_the_clients(
    octets: bytes, source: tuple[str, int] | None, piece: int
) -> None:
    assert read(octets + b"\x16\x03\x01 or a LOGIN", piece) == (source, b"\x16\x03\x01 or a LOGIN")


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00",
        b"EHLO client\r\n",
        b"PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n",
        b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 65536\r\n",
        b"PROXY TCP4 192.0.2.1 10.0.0.1 -1 993\r\n",
        b"PROXY TCP4 2001:db8::1 ::1 4711 993\r\n",
        b"PROXY TCP6 192.0.2.1 10.0.0.1 4711 993\r\n",
        b"PROXY TCP4 192.0.2.1  10.0.0.1 4711 993\r\n",
        b"PROXY TCP4 example.com 10.0.0.1 4711 993\r\n",
        b"PROXY UDP4 192.0.2.1 10.0.0.1 4711 993\r\n",
        b"PROXY TCP4 192.0.2.1\r10.0.0.1 4711 993\r\n",
        b"PROXY " + b"x" * MAX_VERSION_1,
        SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11" + struct.pack("!H", MAX_VERSION_2 + 1) + bytes(MAX_VERSION_2 + 1),
    ],
)
def test_what_is_none_is_refused(octets: bytes) -> None:
    with pytest.raises(ProxyHeaderError) as caught:
        read(octets)
    assert str(caught.value).isprintable()


@given(st.binary(max_size=200), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]))
def test_nothing_else_can_happen(octets: bytes, start: bytes) -> None:
    header = ProxyHeader()
    octets = start + octets
    try:
        while header.wanted and octets:
            piece, octets = octets[: header.wanted], octets[header.wanted :]
            header.feed(piece)
    except ProxyHeaderError:
        return
    if header.source is not None:
        ipaddress.ip_address(header.source[0])  # raises if it is none
