"""A flame graph is drawn for each scenario, or it is said why not."""

from pathlib import Path

import pytest

from benchmarks import flames, processes
from benchmarks.client import Account, Row
from benchmarks.setting import Setting
from benchmarks.sizes import SMOKE
from benchmarks.witness import Witness


def setting(folder: Path, rows: list[Row]) -> Setting:
    upstream = processes.Upstream(1, "localhost", 1, "", "", "user@example.com", "", "")
    place, account = processes.Place(folder), Account("user@example.com", "", "")
    return Setting(rows, upstream, account, place, SMOKE, Witness(1, together=True))


def test_every_scenario_of_the_documentation_has_a_name() -> None:
    names = [name for mode in ("relay", "logins", "idle", "mixed", "accounts") for name in flames.scenarios(mode)]
    assert names == [
        "relay-down", "relay-up", "relay-many-sessions",
        "logins-imap", "logins-pop3", "logins-smtp", "idle-growth", "mixed",
    ]  # fmt: skip


def test_without_the_profiler_it_is_said_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.flames.profiler", lambda: None)
    [drawn] = flames.of("relay", setting(tmp_path, []), tmp_path)
    assert str(drawn) == f"flame graph of relay: {flames.MISSING}"


def test_a_mode_without_scenarios_draws_nothing(tmp_path: Path) -> None:
    assert list(flames.of("accounts", setting(tmp_path, []), tmp_path)) == []


def test_a_profiler_that_may_not_look_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = tmp_path / "py-spy"
    refusing.write_text("#!/bin/sh\necho Permission Denied\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr("benchmarks.flames.profiler", lambda: str(refusing))
    row = Row("emailproxy", "127.0.0.1", 1, 1, "password")
    first, *_ = flames.of("relay", setting(tmp_path, [row]), tmp_path)
    assert first.file is None
    assert "Permission Denied" in first.why
    assert "CAP_SYS_PTRACE" in first.why
