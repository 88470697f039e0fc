"""How does a record become an entry of systemd's journal? With its fields, by the native protocol.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL: a datagram of ``NAME=value`` lines; a value with a line break has its length
before it. What is too large for a datagram is written to a sealed file in memory, whose descriptor is sent instead.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Final

from emailproxy.logs.datagrams import DatagramHandler
from emailproxy.logs.formats import extras
from emailproxy.logs.syslog import severity

__all__ = ["JournalHandler"]

SOCKET: Final = "/run/systemd/journal/socket"


class JournalHandler(DatagramHandler):
    """Sends records to the journal: ``MESSAGE``, ``PRIORITY``, ``LOGGER``, ``EMAILPROXY_...`` for what is ``extra``.

    Args:
        path: of the journal's socket.

    Raises:
        OSError: there is no journal.
    """

    def __init__(self, path: str = SOCKET) -> None:
        super().__init__(socket.AF_UNIX, path)
        self.setFormatter(logging.Formatter())

    def datagrams(self, record: logging.LogRecord) -> Sequence[bytes]:
        """One entry."""
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(severity(record.levelno)),
            "SYSLOG_IDENTIFIER": "emailproxy",
            "LOGGER": record.name,
        }
        fields |= {f"EMAILPROXY_{name.upper()}": str(value) for name, value in extras(record)}
        return [b"".join(_field(name, value) for name, value in fields.items())]

    def _send(self, sock: socket.socket, datagram: bytes) -> None:
        try:
            sock.send(datagram)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS) or sys.platform != "linux":
                raise
            descriptor = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            try:
                with open(descriptor, "wb", closefd=False) as file:
                    file.write(datagram)
                fcntl.fcntl(
                    descriptor,
                    fcntl.F_ADD_SEALS,
                    fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL,
                )
                socket.send_fds(sock, [b""], [descriptor])
            finally:
                os.close(descriptor)


def _field(name: str, value: str) -> bytes:
    octets = value.encode(errors="replace")
    if b"\n" not in octets:
        return name.encode() + b"=" + octets + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(octets)) + octets + b"\n"
