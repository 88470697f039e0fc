"""Which listening sockets did we inherit? Those that systemd holds for us, so that a restart refuses nobody.

The protocol of sd_listen_fds(3). A socket belongs to the section of its name (``FileDescriptorName=IMAP-1993``), or
else to the one with its address and port. What is handed out is a duplicate: a listener that one reload removes and
another adds gets the same socket.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Collection, MutableMapping, Sequence
from typing import Final

__all__ = ["Inherited"]

log = logging.getLogger("emailproxy.listener")

FIRST: Final = 3
"""The first descriptor (SD_LISTEN_FDS_START)."""

MOST: Final = 1024
"""Descriptors that are looked at: more than any file has sections, less than a mistyped number could mean."""

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


class Inherited:
    """Sockets that somebody else has bound. Owns them.

    Args:
        sockets: each with its name.
    """

    def __init__(self, sockets: Sequence[tuple[str, socket.socket]] = ()) -> None:
        self._sockets = [(name, sock) for name, sock in sockets if _is_usable(name, sock)]

    @classmethod
    def of_environment(cls, environment: MutableMapping[str, str] | None = None) -> Inherited:
        """What was passed to this process; takes the variables out of `environment`."""
        variables = os.environ if environment is None else environment
        process, number = variables.pop("LISTEN_PID", ""), variables.pop("LISTEN_FDS", "")
        names = variables.pop("LISTEN_FDNAMES", "").split(":")
        if process != str(os.getpid()) or not number.isdecimal():
            return cls()
        sockets = []
        for index in range(min(int(number), MOST)):
            try:
                sock = socket.socket(fileno=FIRST + index)
            except OSError as error:
                log.warning("descriptor %d was passed as a socket and is none: %s", FIRST + index, error.strerror)
                continue
            sock.set_inheritable(False)
            sockets.append((names[index] if index < len(names) else "", sock))
        return cls(sockets)

    @property
    def names(self) -> list[str]:
        """What they are called, for the log."""
        return [f"{name or 'unnamed'} ({_shown(sock)})" for name, sock in self._sockets]

    def of_section(self, section: str, port: int, hosts: Collection[str]) -> list[socket.socket]:
        """Duplicates of the sockets that are meant for this section, non-blocking; the caller closes them.

        Args:
            section: the section's name.
            port: its port, which counts where no socket has its name.
            hosts: the addresses that it means, likewise.
        """
        found = [sock for name, sock in self._sockets if name == section]
        if not found:
            found = [sock for _, sock in self._sockets if _is_at(sock, port, hosts)]
        duplicates = [sock.dup() for sock in found]
        for sock in duplicates:
            sock.setblocking(False)
        return duplicates

    def close(self) -> None:
        """Let go of them; whoever passed them keeps them open."""
        for _, sock in self._sockets:
            sock.close()
        self._sockets.clear()


def _is_usable(name: str, sock: socket.socket) -> bool:
    if sock.family in {socket.AF_INET, socket.AF_INET6} and sock.type == socket.SOCK_STREAM:
        return True
    log.warning("the inherited socket %s is not one for TCP, and is not used", name or sock.fileno())
    sock.close()
    return False


def _is_at(sock: socket.socket, port: int, hosts: Collection[str]) -> bool:
    host, bound = sock.getsockname()[:2]
    # One socket for every address of both families is what systemd makes of ListenStream=1993.
    return bound == port and (host in hosts or (host in _EVERYWHERE and not _EVERYWHERE.isdisjoint(hosts)))


def _shown(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
