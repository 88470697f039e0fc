"""How does a log line reach a daemon that may be slow, restarted or gone? As a datagram, with hardly any patience.

Mail goes before the log: a daemon that takes nothing holds the proxy up once, for `PATIENCE`. Until it takes something
again nobody waits for it, and what it did not take is counted; the number is told when it is back.
"""

from __future__ import annotations

import logging
import socket
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

__all__ = ["DatagramHandler"]

PATIENCE: Final = 0.25
"""Seconds: a daemon's queue that is full for longer belongs to a daemon that hangs."""


class DatagramHandler(logging.Handler):
    """Sends records to one socket, and connects again when the daemon has been restarted.

    Args:
        family: of the socket.
        address: where the daemon listens; a name is looked up already.

    Raises:
        OSError: nobody can be reached there.
    """

    def __init__(self, family: int, address: str | tuple[str, int]) -> None:
        self._family = family
        self._address = address
        self._lost = 0
        self._socket = self._connected()
        super().__init__()  # last: from here on logging closes it at the end of the process

    @abstractmethod
    def datagrams(self, record: logging.LogRecord) -> Sequence[bytes]:
        """What is sent for `record`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send `record`; what cannot be sent is lost, and counted."""
        for datagram in self.datagrams(record):
            if not self._sent(datagram):
                self._lost += 1
                return
        if self._lost:
            lost, self._lost = self._lost, 0
            text = f"log lines that could not be delivered: {lost}"
            self.emit(logging.LogRecord("emailproxy.log", logging.WARNING, "", 0, text, None, None))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()

    def _sent(self, datagram: bytes) -> bool:
        for _ in range(2):
            try:
                self._send(self._socket, datagram)
            except (TimeoutError, BlockingIOError):
                self._socket.setblocking(False)
                return False
            except OSError:
                # Its daemon was restarted, or, by UDP, has refused what came before.
                try:
                    connected = self._connected()
                except OSError:
                    return False
                self._socket.close()
                self._socket = connected
            else:
                if self._lost:
                    self._socket.settimeout(PATIENCE)
                return True
        return False

    def _send(self, sock: socket.socket, datagram: bytes) -> None:
        sock.send(datagram)

    def _connected(self) -> socket.socket:
        sock = socket.socket(self._family, socket.SOCK_DGRAM)
        try:
            sock.settimeout(PATIENCE)
            sock.connect(self._address)
        except BaseException:
            sock.close()
            raise
        return sock
