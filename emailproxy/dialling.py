"""How is a named server's socket opened? All its addresses in turn, and next time the one that answered first."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass

import trio

__all__ = ["Dialler"]

MEMORY = 60.0
"""Seconds for which the address that answered last is tried first, without a look-up: the providers' own DNS records
live about as long, and a burst of logins then costs no thread each."""

HEAD_START = 1.0
"""Seconds that this address gets before all of them are looked up and raced again."""


@dataclass(frozen=True, slots=True)
class _Known:
    family: int
    address: tuple[str, int] | tuple[str, int, int, int]
    until: float


class Dialler:
    """Opens TCP connections; remembers one address for each host and port of the configuration."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], _Known] = {}

    def remembers(self, host: str, port: int) -> bool:
        """Whether `redial` knows an address to try."""
        known = self._known.get((host, port))
        return known is not None and known.until > trio.current_time()

    async def redial(
        self, host: str, port: int, meanwhile: Callable[[socket.socket], None] | None = None
    ) -> socket.socket | None:
        """Like `dial`, but only to the address that answered last; None if it does not any more.

        The caller's deadline should be `HEAD_START` away. An address that did not answer until then is forgotten too.

        Args:
            host: of the server.
            port: of the server.
            meanwhile: called with the socket as soon as it has begun to connect, for work that needs no answer yet.
        """
        known = self._known.pop((host, port))
        sock = await _connect(known, meanwhile)
        if sock is not None:
            self._known[host, port] = known
        return sock

    async def dial(self, host: str, port: int) -> socket.socket:
        """A connected, non-blocking socket without Nagle's delay and with keep-alive; the caller owns it.

        Raises:
            OSError: no look-up, or no address answered (happy eyeballs, RFC 8305, by trio).
        """
        try:
            stream = await trio.open_tcp_stream(host, port)
        except UnicodeError as error:  # IDNA cannot encode it; what the configuration's check lets through
            raise OSError(f"{host!r} is no host name ({error})") from None
        sock = socket.socket(fileno=stream.socket.detach())
        sock.setblocking(False)
        try:
            self._known[host, port] = _Known(sock.family, sock.getpeername(), trio.current_time() + MEMORY)
        except OSError:  # reset already
            sock.close()
            raise
        return _prepared(sock)


async def _connect(known: _Known, meanwhile: Callable[[socket.socket], None] | None) -> socket.socket | None:
    """A connection to this one address; None if it fails."""
    sock = socket.socket(known.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await trio.lowlevel.checkpoint_if_cancelled()
        with contextlib.suppress(BlockingIOError):
            sock.connect(known.address)
        if meanwhile is not None:
            meanwhile(sock)
        try:
            sock.getpeername()  # a server nearby has answered by now
        except OSError:
            await trio.lowlevel.wait_writable(sock)
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            return _prepared(sock)
    except OSError:
        pass
    except BaseException:
        sock.close()
        raise
    sock.close()
    return None


def _prepared(sock: socket.socket) -> socket.socket:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock
