"""Whatever happens in the middle of a replacement, the file is the old one or the new one, and the failure has a name.

Each scenario runs in a process of its own, which limits, kills or demotes itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailproxy.store.base import Record, StoreConflictError
from emailproxy_backends.file import FileStore

OLD = b"# mine\n[user@example.com]\nrefresh_token = old\n" + b"# " + b"x" * 5000 + b"\n"
NOBODY = 65534

SAVE = """
import json, sys, os, resource, signal
from pathlib import Path
from emailproxy.store.base import Record, StoreError
from emailproxy_backends.file import FileStore
import filelock, encodings.idna
store = FileStore(Path(sys.argv[1]))
def save(token):
    stored = store.load("user@example.com")
    return store.save("user@example.com", Record(refresh_token=token), stored.version if stored else None)
def outcome(function):
    try:
        function()
    except StoreError as error:
        return [type(error).__name__, str(error)]
    return ["done", ""]
"""


def run(script: str, path: Path) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", SAVE + script, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    answer: list[str] = json.loads(result.stdout)
    return answer


@pytest.fixture
def path() -> Iterator[Path]:
    # Not under pytest's own folder: a user without rights must be able to reach it.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "emailproxy.config"
        path.write_bytes(OLD)
        yield path
        Path(folder).chmod(0o755)


def left_over(path: Path) -> list[str]:
    return sorted(place.name for place in path.parent.iterdir() if place.name.startswith("."))


def test_disk_full(path: Path) -> None:
    script = """
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # EFBIG, as a full disk gives ENOSPC
print(json.dumps(outcome(lambda: save("new"))))
"""
    kind, message = run(script, path)
    assert kind == "StoreUnavailableError"
    assert str(path) in message
    assert "make room" in message
    assert path.read_bytes() == OLD
    assert left_over(path) == []


@pytest.mark.parametrize(("place", "mode"), [("folder", 0o555), ("file", 0o000)])
def test_no_permission(path: Path, place: str, mode: int) -> None:
    (path.parent if place == "folder" else path).chmod(mode)
    demote = f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})" if os.geteuid() == 0 else ""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
        os.chown(path.parent, NOBODY, NOBODY)
    kind, message = run(f'{demote}\nprint(json.dumps(outcome(lambda: save("new"))))\n', path)
    assert kind == "StoreDeniedError"
    assert str(path) in message
    assert "--cache-store" in message or "give the proxy's user access to the file" in message
    path.chmod(0o600)
    assert path.read_bytes() == OLD
    assert left_over(path) == []


def test_crash_at_every_step(path: Path) -> None:
    """The process ends, without any clean-up, at its first, second, third… call that touches the file system."""
    script = """
def crash(number):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        if event in ("open", "os.rename", "os.remove", "os.chown", "os.chmod", "os.link"):
            seen += 1
            if seen == number:
                os._exit(9)
    sys.addaudithook(hook)
    save("new")
    os._exit(0)
old = Path(sys.argv[1]).read_bytes()
new = old.replace(b"= old", b"= new")
problems, crashes = [], 0
for number in range(1, 60):
    Path(sys.argv[1]).write_bytes(old)
    child = os.fork()
    if child == 0:
        crash(number)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    content = Path(sys.argv[1]).read_bytes()
    if content not in (old, new):
        problems.append([number, "content"])
    backup = Path(sys.argv[1] + ".bak")
    if backup.exists() and backup.read_bytes() != old:
        problems.append([number, "backup"])
    if status == 0:
        break
    crashes += 1
    if outcome(lambda: save("after"))[0] != "done":
        problems.append([number, "next save"])
    backup.unlink(missing_ok=True)
print(json.dumps([str(problems), str(crashes), str(status)]))
"""
    problems, crashes, status = run(script, path)
    assert problems == "[]"
    assert status == "0"
    assert int(crashes) >= 6
    assert left_over(path) == []


def test_killed_while_writing(path: Path) -> None:
    """SIGKILL at arbitrary moments: what a save reported as done is in the file."""
    script = """
number = 0
while True:
    save(f"token-{number:06}")
    print(number, flush=True)
    number += 1
"""
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", SAVE + script, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            reported = process.stdout.read().split()
        last = int(reported[-1]) if reported else 0
        content = path.read_bytes()
        assert content.startswith(b"# mine\n[user@example.com]\nrefresh_token = token-")
        assert content.endswith(OLD[-5003:])
        stored = FileStore(path).load("user@example.com")
        assert stored is not None
        # One more may have been in the file before its report was out.
        assert stored.record.refresh_token in (f"token-{last:06}", f"token-{last + 1:06}")


def test_two_processes_lose_nothing(path: Path) -> None:
    script = """
import dataclasses
from emailproxy.store.base import StoreConflictError
for _ in range(25):
    while True:
        stored = store.load("user@example.com")
        more = dataclasses.replace(stored.record, last_activity=(stored.record.last_activity or 0) + 1)
        try:
            store.save("user@example.com", more, stored.version)
            break
        except StoreConflictError:
            continue
print("[]")
"""
    command = [sys.executable, "-c", SAVE + script, str(path)]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    stored = FileStore(path).load("user@example.com")
    assert stored is not None
    assert stored.record == Record(refresh_token="old", last_activity=75)
    with pytest.raises(StoreConflictError):
        FileStore(path).save("user@example.com", Record(), None)
