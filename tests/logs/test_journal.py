"""What systemd's journal gets, read as its protocol says."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from pathlib import Path

import pytest

from emailproxy.logs.journal import JournalHandler


def entry(octets: bytes) -> dict[str, str]:
    """The fields of one datagram."""
    fields: dict[str, str] = {}
    while octets:
        line, _, octets = octets.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            [length] = struct.unpack("<Q", octets[:8])
            value, octets = octets[8 : 8 + length], octets[8 + length + 1 :]
        fields[name.decode()] = value.decode()
    return fields


def record(message: str, **fields: object) -> logging.LogRecord:
    found = logging.LogRecord("emailproxy.session", logging.WARNING, "", 0, message, None, None)
    vars(found).update(fields)
    return found


@pytest.fixture
def path(brief_path: Path) -> Path:
    return brief_path / "journal"


def test_an_entry_with_its_fields(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        handler = JournalHandler(str(path))
        handler.emit(record("two\nlines = of text", account="u@example.com", milliseconds=12.5, ref="7F3A"))
        assert entry(journal.recv(65536)) == {
            "MESSAGE": "two\nlines = of text",
            "PRIORITY": "4",
            "SYSLOG_IDENTIFIER": "emailproxy",
            "LOGGER": "emailproxy.session",
            "EMAILPROXY_ACCOUNT": "u@example.com",
            "EMAILPROXY_MILLISECONDS": "12.5",
            "EMAILPROXY_REF": "7F3A",
        }
        handler.close()


def test_a_traceback_is_in_the_message(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        handler = JournalHandler(str(path))
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            found = record("x")
            found.exc_info = sys.exc_info()
        handler.emit(found)
        assert "Traceback" in entry(journal.recv(65536))["MESSAGE"]
        handler.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the journal is Linux's")
def test_an_entry_that_is_too_large_comes_in_a_sealed_file(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        handler = JournalHandler(str(path))
        handler.emit(record("x" * 1_000_000))
        octets, [descriptor], _, _ = socket.recv_fds(journal, 65536, 1)
        assert octets == b""
        os.lseek(descriptor, 0, os.SEEK_SET)
        with os.fdopen(descriptor, "rb") as file:
            assert entry(file.read())["MESSAGE"] == "x" * 1_000_000
        handler.close()
