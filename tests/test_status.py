from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import Timeout

from emailproxy.status import (
    Presence,
    Status,
    StatusFile,
    StatusReading,
    UnsavedAccount,
    WaitingAccount,
    read_status,
    status_path,
)
from emailproxy.store.health import StoreHealth

STATUS = Status(
    pid=os.getpid(),
    started=1_700_000_000.5,
    store="file:/x",
    ready=True,
    health=StoreHealth(False, 1_700_000_100.0, "disk full", 3, 2, 1),
    unsaved=(UnsavedAccount("ada@example.com", 1_700_000_090.0, 4, 1_700_000_120.0, "disk full"),),
    waiting=(WaitingAccount("bob@example.com", "refused", 1_700_000_080.0), WaitingAccount("eve@example.com", "gone")),
    deferred=2,
    written=1_700_000_101.0,
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "emailproxy.config"


def test_what_is_written_is_read(config: Path) -> None:
    file = StatusFile(config)
    assert read_status(config) == StatusReading(Presence.ABSENT)
    file.write(STATUS)
    assert read_status(config) == StatusReading(Presence.RUNNING, STATUS)
    later = replace(STATUS, unsaved=(), deferred=0, health=StoreHealth())
    file.write(later)
    assert read_status(config) == StatusReading(Presence.RUNNING, later)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    file.remove()
    file.remove()
    assert list(config.parent.iterdir()) == []


def test_a_proxy_that_was_killed_leaves_a_stale_one_whoever_has_its_pid(config: Path) -> None:
    dying = (
        "import os, signal, sys; from pathlib import Path; from emailproxy.status import *; "
        "from emailproxy.store.health import StoreHealth; "
        "StatusFile(Path(sys.argv[1])).write(Status(int(sys.argv[2]), 1.0, 'file:/x', True, StoreHealth())); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    # The process id in the file is a living one's: this test's.
    died = subprocess.run([sys.executable, "-c", dying, str(config), str(os.getpid())], check=False)
    assert died.returncode < 0
    reading = read_status(config)
    assert reading.presence is Presence.STALE
    assert reading.status is not None
    assert reading.status.pid == os.getpid()
    StatusFile(config).write(STATUS)  # the next proxy takes it over


def test_a_second_proxy_leaves_the_first_ones_alone(config: Path) -> None:
    first, second = StatusFile(config), StatusFile(config)
    first.write(STATUS)
    with pytest.raises(Timeout):
        second.write(replace(STATUS, pid=1))
    second.remove()
    assert read_status(config) == StatusReading(Presence.RUNNING, STATUS)
    first.remove()
    second.write(STATUS)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "nonsense", '{"format":2}', '{"format":1}', '{"format":1,"health":{},"unsaved":[{}]}', "[" * 9999],
)
def test_what_is_no_status_is_said_to_be_none(config: Path, text: str) -> None:
    status_path(config).write_text(text)
    reading = read_status(config)
    assert (reading.presence, reading.status) == (Presence.UNREADABLE, None)
    assert str(status_path(config)) in reading.problem


def test_fields_of_a_later_version_do_not_matter(config: Path) -> None:
    StatusFile(config).write(STATUS)
    document = json.loads(status_path(config).read_text())
    document["later"] = document["health"]["later"] = document["unsaved"][0]["later"] = 1
    status_path(config).write_text(json.dumps(document))
    assert read_status(config).status == STATUS


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "no folder").touch()
    config = tmp_path / "no folder" / "emailproxy.config"
    with pytest.raises(OSError, match="folder"):
        StatusFile(config).write(STATUS)
    assert read_status(config).presence is Presence.UNREADABLE
