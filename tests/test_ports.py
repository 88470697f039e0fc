"""A port that was promised is there when the server comes, and nobody's until then."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys

import pytest

from .ports import reserve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a server bind a port that is held")


IP_LOCAL_PORT_RANGE = 51
"""Of ip(7); the socket module has no name for it."""


def test_nobody_listens_and_a_server_can_again_and_again() -> None:
    with contextlib.ExitStack() as held:
        port = reserve(held)
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
                pass


@pytest.mark.parametrize("reuse", [0, 1])
def test_who_asks_for_any_port_does_not_get_it(reuse: int) -> None:
    """Even if no other port is left: the range to choose from is this one."""
    with contextlib.ExitStack() as held, socket.socket() as other:
        port = reserve(held)
        try:
            other.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=HH", port, port))
        except OSError as error:
            pytest.skip(f"a kernel before 6.3 chooses from all ports: {error}")
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", 0))


def test_it_is_let_go_in_the_end() -> None:
    with contextlib.ExitStack() as held:
        port = reserve(held)
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", port))
