"""What a service manager hears, at a socket that is really there."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from emailproxy.systemd import MARGIN, ServiceManager
from tests.clocks import PatientClock


class Manager:
    """The other end."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except BlockingIOError:
                return found
            found.append(dict(line.split("=", 1) for line in text.splitlines()))


@pytest.fixture
def manager(brief_path: Path) -> Iterator[Manager]:
    manager = Manager(str(brief_path / "notify"))
    yield manager
    manager.socket.close()


def test_what_is_told(manager: Manager, brief_path: Path) -> None:
    ours = ServiceManager(str(brief_path / "notify"))
    ours.ready("serving\nIMAP-1993")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    ours.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    ours.stopping("bye", 30)
    ready, reloading, stopping = manager.heard()
    assert ready == {"READY": "1", "STATUS": "serving IMAP-1993"}
    assert reloading.pop("RELOADING") == "1"
    assert before <= int(reloading.pop("MONOTONIC_USEC")) <= after
    assert not reloading
    assert stopping == {"STOPPING": "1", "STATUS": "bye", "EXTEND_TIMEOUT_USEC": str(int((30 + MARGIN) * 1e6))}


@pytest.mark.skipif(not hasattr(socket, "SO_PASSCRED"), reason="abstract sockets are Linux's")
def test_an_abstract_socket() -> None:
    name = f"emailproxy-test-{os.getpid()}"
    manager = Manager("\0" + name)
    ServiceManager("@" + name).ready("x")
    assert manager.heard() == [{"READY": "1", "STATUS": "x"}]
    manager.socket.close()


def test_nobody_there_is_no_error(brief_path: Path) -> None:
    ServiceManager(None).ready("x")
    ServiceManager(str(brief_path / "nobody")).ready("x")


async def test_the_watchdog_hears_us_twice_in_its_time(
    manager: Manager, brief_path: Path, autojump_clock: PatientClock
) -> None:
    with trio.move_on_after(9.5):
        await ServiceManager(str(brief_path / "notify"), watchdog=2.0).keep_watch()
    assert manager.heard() == [{"WATCHDOG": "1"}] * 10


async def test_no_watchdog_no_task(manager: Manager, brief_path: Path) -> None:
    await ServiceManager(str(brief_path / "notify")).keep_watch()
    assert manager.heard() == []


@pytest.mark.parametrize(
    ("variables", "watchdog"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": "/run/x"}, None),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "30000000"}, 30.0),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "ours"}, 30.0),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "0"}, None),
        ({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "soon"}, None),
        ({"NOTIFY_SOCKET": "vsock:2:1", "WATCHDOG_USEC": "30000000"}, None),
        ({"WATCHDOG_USEC": "30000000"}, None),
    ],
    ids=str,
)
def test_the_environment_is_read_once_and_left_to_nobody(variables: dict[str, str], watchdog: float | None) -> None:
    environment = {"PATH": "/bin", **variables}
    if variables.get("WATCHDOG_PID") == "ours":
        environment["WATCHDOG_PID"] = str(os.getpid())
    assert ServiceManager.of_environment(environment).watchdog == watchdog
    assert environment == {"PATH": "/bin"}
