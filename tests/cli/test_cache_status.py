"""What a running proxy says of its store, and what is said when none runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from emailproxy.cli import Exit
from emailproxy.status import Status, StatusFile, UnsavedAccount, status_path
from emailproxy.store.health import StoreHealth

from .support import account, run

WELL = Status(
    pid=4711,
    started=1_790_000_000.0,
    store="aws:mail/",
    ready=True,
    health=StoreHealth(reachable=True, since=1_790_000_100.0, reads=1234, writes=5, failures=1),
    deferred=3,
)
ILL = replace(
    WELL,
    health=StoreHealth(reachable=False, since=1_790_000_200.0, last_error="lacks the permission"),
    unsaved=(UnsavedAccount(account("ada"), 1_790_000_300.0, 7, 1_790_000_400.0, "no\x1b[31m way"),),
)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[StatusFile]:
    file = StatusFile(tmp_path / "emailproxy.config")
    yield file
    file.remove()


def status(tmp_path: Path, *flags: str) -> tuple[int, str, str]:
    return run("--config-file", tmp_path / "emailproxy.config", "cache", "status", *flags)


def test_ready(proxy: StatusFile, tmp_path: Path) -> None:
    proxy.write(WELL)
    code, out, err = status(tmp_path)
    assert (code, err) == (0, "")
    lines = dict(line.split("  ", 1) for line in out.splitlines())
    assert {name: value.strip() for name, value in lines.items()} == {
        "proxy": "process 4711, started 2026-09-21 14:13 UTC",
        "store": "aws:mail/",
        "ready": "yes",
        "last call": "answered, since 2026-09-21 14:15 UTC",
        "calls": "reads 1,234, writes 5, not answered 1",
        "written later": "3 accounts, on purpose: the stored token stays valid",
        "unsaved": "none",
    }


def test_unsaved_accounts_are_named(proxy: StatusFile, tmp_path: Path) -> None:
    proxy.write(ILL)
    code, out, _ = status(tmp_path)
    assert code == 0
    assert "not answered, since 2026-09-21 14:16 UTC: lacks the permission" in out
    last = out.splitlines()[-1]
    assert last.startswith(account("ada"))
    assert "7" in last
    assert "\x1b" not in out


def test_not_ready(proxy: StatusFile, tmp_path: Path) -> None:
    proxy.write(replace(WELL, ready=False))
    code, out, _ = status(tmp_path)
    assert code == Exit.FAILED
    assert "no, the store has not answered" in out


def test_json(proxy: StatusFile, tmp_path: Path) -> None:
    proxy.write(ILL)
    code, out, _ = status(tmp_path, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["presence"] == "running"
    assert told["health"]["last_error"] == "lacks the permission"
    assert told["unsaved"][0]["attempts"] == 7


def test_no_running_proxy(tmp_path: Path) -> None:
    code, out, err = status(tmp_path)
    assert (code, out) == (Exit.FAILED, "")
    assert "no proxy runs" in err
    assert json.loads(status(tmp_path, "--json")[1]) == {"presence": "absent"}


def test_a_proxy_that_died(tmp_path: Path) -> None:
    file = StatusFile(tmp_path / "emailproxy.config")
    file.write(WELL)
    left = status_path(tmp_path / "emailproxy.config").read_bytes()
    file.remove()
    status_path(tmp_path / "emailproxy.config").write_bytes(left)
    code, out, err = status(tmp_path)
    assert code == Exit.FAILED
    assert "ended" in out
    assert "does not run any more" in err


def test_a_file_that_says_nothing(tmp_path: Path) -> None:
    status_path(tmp_path / "emailproxy.config").write_text("{}")
    assert status(tmp_path)[0] == Exit.FAILED
