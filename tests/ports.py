"""Which port can a test give to a server that binds it later? One that is held for it until the test is over."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys

__all__ = ["reserve"]

ATTEMPTS = 20
"""A port that is free on 127.0.0.1 is nearly always free on ::1 too."""


def reserve(until: contextlib.ExitStack) -> int:
    """A port of 127.0.0.1 and ::1 that nobody gets by chance while `until` is open, and that refuses connections.

    A socket is bound to it and does not listen. Linux lets a second socket bind the same address if both ask for
    SO_REUSEADDR, as servers do, and gives the port to nobody who asks for any. Elsewhere the second could not bind, so
    there the port is let go at once, and somebody may be faster.
    """
    for _ in range(ATTEMPTS):
        with contextlib.ExitStack() as held:
            port = _bind(held, socket.AF_INET, "127.0.0.1", 0)
            try:
                _bind(held, socket.AF_INET6, "::1", port)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                # This machine has no IPv6.
            if sys.platform == "linux":
                until.push(held.pop_all())
            return port
    raise AssertionError(f"no port was free on both loopback addresses in {ATTEMPTS} attempts")


def _bind(held: contextlib.ExitStack, family: int, host: str, port: int) -> int:
    sock = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return int(sock.getsockname()[1])
