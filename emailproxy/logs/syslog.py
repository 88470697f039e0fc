"""What does a line look like for syslog? RFC 3164 at the local socket, as daemons expect it there; RFC 5424 by UDP."""

from __future__ import annotations

import logging
import os
import platform
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from emailproxy.logs.datagrams import DatagramHandler

__all__ = ["SyslogHandler", "severity"]

LOCAL: Final = "/var/run/syslog" if sys.platform == "darwin" else "/dev/log"
PORT: Final = 514

FACILITY: Final = 2
"""mail (RFC 5424 section 6.2.1)."""

MAX_OCTETS: Final = 8192
"""Of one message: what rsyslog and syslog-ng take unless told otherwise. Tracebacks come a line at a time."""

_SEVERITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_IDENTIFIER: Final = "emailproxy"


class SyslogHandler(DatagramHandler):
    """Sends each line of a record as a message.

    Args:
        address: ``HOST``, ``HOST:PORT``, ``[IPv6]:PORT`` or the path of a socket; None: the local daemon's.
        formatter: makes the text, without time and level, which syslog has of its own.

    Raises:
        OSError: nobody can be reached there.
        ValueError: the port is no number.
    """

    def __init__(self, address: str | None, formatter: logging.Formatter) -> None:
        path = LOCAL if address is None else address if address.startswith("/") else None
        if path is not None:
            super().__init__(socket.AF_UNIX, path)
        else:
            host, port = _host_and_port(address or "")
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            family, _, _, _, place = found[0]
            super().__init__(family, place)  # type: ignore[arg-type]  # IPv6 addresses are longer tuples
        self._local = path is not None
        self._host = platform.node() or "-"
        self.setFormatter(formatter)

    def datagrams(self, record: logging.LogRecord) -> Sequence[bytes]:
        """A message for each line of the text."""
        priority = FACILITY * 8 + severity(record.levelno)
        if self._local:
            head = f"<{priority}>{_IDENTIFIER}[{os.getpid()}]: "
        else:
            time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
            # Version 1, no structured data; the logger is the message's kind.
            head = f"<{priority}>1 {time} {self._host} {_IDENTIFIER} {os.getpid()} {record.name[:32]} - "
        lines = self.format(record).splitlines() or [""]
        return [(head + line).encode(errors="replace")[:MAX_OCTETS] for line in lines]


def severity(level: int) -> int:
    """Syslog's number for a level (RFC 5424 section 6.2.1)."""
    return next((number for least, number in _SEVERITIES if level >= least), 7)


def _host_and_port(address: str) -> tuple[str, int]:
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        port = port.removeprefix(":")
    elif address.count(":") == 1:
        host, _, port = address.partition(":")
    else:
        host, port = address, ""
    if port and not port.isdecimal():
        raise ValueError(f"port {port} is no number")
    return host, int(port or PORT)
