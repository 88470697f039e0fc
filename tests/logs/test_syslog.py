"""What a syslog daemon gets, by its socket and by UDP; and what becomes of lines while it is away."""

from __future__ import annotations

import logging
import os
import re
import socket
from pathlib import Path

import pytest

from emailproxy.logs import datagrams
from emailproxy.logs.syslog import MAX_OCTETS, SyslogHandler, severity


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("emailproxy.session", level, "", 0, message, None, None)


def daemon_at(path: Path) -> socket.socket:
    daemon = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    daemon.bind(str(path))
    daemon.setblocking(False)
    return daemon


def all_of(daemon: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(daemon.recv(65536).decode())
        except BlockingIOError:
            return found


@pytest.fixture
def path(brief_path: Path) -> Path:
    return brief_path / "log"


def test_by_the_local_socket(path: Path) -> None:
    with daemon_at(path) as daemon:
        handler = SyslogHandler(str(path), logging.Formatter())
        handler.emit(record("one\ntwo", logging.WARNING))
        assert all_of(daemon) == [f"<20>emailproxy[{os.getpid()}]: one", f"<20>emailproxy[{os.getpid()}]: two"]
        handler.emit(record("x" * 100_000))
        assert [len(message) for message in all_of(daemon)] == [MAX_OCTETS]
        handler.close()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_by_udp(family: int) -> None:
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.socket(family, socket.SOCK_DGRAM) as daemon:
        try:
            daemon.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = daemon.getsockname()[1]
        handler = SyslogHandler(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", logging.Formatter())
        handler.emit(record("hello ä", logging.ERROR))
        said = daemon.recv(4096).decode()
        handler.close()
    pattern = rf"<19>1 20\d\d-\d\d-\d\dT[\d:.]{{12}}\+00:00 \S+ emailproxy {os.getpid()} emailproxy\.session - hello ä"
    assert re.fullmatch(pattern, said)


def test_a_daemon_that_is_restarted_gets_what_comes_then(path: Path) -> None:
    daemon = daemon_at(path)
    handler = SyslogHandler(str(path), logging.Formatter())
    daemon.close()
    handler.emit(record("lost"))
    path.unlink()
    handler.emit(record("lost too"))
    with daemon_at(path) as daemon:
        handler.emit(record("back"))
        assert [message.partition(": ")[2] for message in all_of(daemon)] == [
            "back",
            "log lines that could not be delivered: 2",
        ]
    handler.close()


def test_a_daemon_that_takes_nothing_holds_nobody_up_twice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "PATIENCE", 0.01)
    with daemon_at(path) as daemon:
        handler = SyslogHandler(str(path), logging.Formatter())
        for number in range(5000):
            handler.emit(record(f"{number} {'x' * 200}"))
        assert handler._socket.gettimeout() == 0.0
        first = all_of(daemon)
        assert 0 < len(first) < 5000
        handler.emit(record("again"))
        said = [message.partition(": ")[2] for message in all_of(daemon)]
        assert said == ["again", f"log lines that could not be delivered: {5000 - len(first)}"]
        assert handler._socket.gettimeout() == 0.01
        handler.close()


def test_severities() -> None:
    levels = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]
    assert [severity(level) for level in levels] == [7, 6, 4, 3, 2]
