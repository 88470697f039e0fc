"""On which sockets does the console listen? TCP, or one of Unix that only its owner may connect to."""

from __future__ import annotations

import contextlib
import errno
import socket
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from emailproxy.config.channel import Place
from emailproxy.failures import ProxyError

__all__ = ["Bound", "PlaceError", "bind"]

BACKLOG: Final = 64
"""Connections that wait to be accepted: a browser opens six, and a few programs watch."""


class PlaceError(ProxyError):
    """Nothing can listen there; the message says why and what to do."""

    def __init__(self, message: str, *, taken: bool = False) -> None:
        super().__init__(message)
        self.taken = taken
        """Another program has the address."""


class Bound:
    """Listening sockets of one place.

    Args:
        place: what was asked for.
        sockets: bound and listening.
    """

    def __init__(self, place: Place, sockets: Sequence[socket.socket]) -> None:
        self.place = place
        self._sockets = list(sockets)
        self._inode = _inode(place.path) if place.path is not None else None

    @property
    def addresses(self) -> tuple[Place, ...]:
        """Where they really listen, with the port that the system chose where none was asked for."""
        if self.place.path is not None:
            return (self.place,)
        return tuple(Place(*sock.getsockname()[:2]) for sock in self._sockets)

    def listeners(self) -> list[trio.SocketListener]:
        """The sockets for trio."""
        return [trio.SocketListener(trio.socket.from_stdlib_socket(sock)) for sock in self._sockets]

    def close(self) -> None:
        """Listen no more, and remove a Unix socket, unless it is another's by now. Harmless when repeated."""
        for sock in self._sockets:
            if sock.fileno() != -1:
                trio.lowlevel.notify_closing(sock)
            sock.close()
        path = self.place.path
        if path is not None and self._inode is not None and _inode(path) == self._inode:
            with contextlib.suppress(OSError):
                path.unlink()
        self._inode = None


async def bind(place: Place) -> Bound:
    """Listen at `place`.

    Raises:
        PlaceError: that cannot be.
    """
    if place.path is not None:
        await trio.lowlevel.checkpoint()
        return Bound(place, [_unix_socket(place.path)])
    try:
        found = await trio.socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the latter where IDNA cannot encode the name
        why = getattr(error, "strerror", None) or error
        raise PlaceError(f"{place.host} has no address ({why}); use an IP address") from None
    problem: OSError | None = None
    sockets: list[socket.socket] = []
    port = place.port
    for family, host in dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found):
        try:
            sockets.append(_tcp_socket(family, host, port))
        except OSError as error:
            if problem is None or error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                problem = error
        else:
            port = port or sockets[0].getsockname()[1]  # port 0: the same free port for both families
    if not sockets or (problem is not None and problem.errno == errno.EADDRINUSE):
        for sock in sockets:
            sock.close()
        assert problem is not None, "an address was found, and was bound or not"
        taken = problem.errno == errno.EADDRINUSE
        remedy = "another program has it: stop that, or choose another port" if taken else "choose another address"
        raise PlaceError(f"{place}: {problem.strerror}; {remedy}", taken=taken)
    return Bound(place, sockets)


def _tcp_socket(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if sys.platform != "win32":  # there it would let another program take the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _unix_socket(path: Path) -> socket.socket:
    """A socket that only its owner may connect to; one that a dead process left is replaced."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _remove_stale(path)
        sock.bind(str(path))
        path.chmod(0o600)  # before it listens, so that nobody has come in meanwhile
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise PlaceError(f"unix:{path}: {error.strerror}; name a path in a folder of the proxy's user") from None
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on. Raises PlaceError, OSError."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise PlaceError(f"unix:{path}: there is a file that is no socket; remove it, or name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        refused = probe.connect_ex(str(path)) == errno.ECONNREFUSED
    if not refused:
        raise PlaceError(f"unix:{path}: another program listens there; stop it, or name another path", taken=True)
    path.unlink()


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
