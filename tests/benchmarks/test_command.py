"""What is typed is understood, or refused with a reason."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.client import Row
from benchmarks.figures import Result
from benchmarks.outcome import Outcome
from benchmarks.running import RUNS, changed
from benchmarks.sizes import FULL, QUICK, SMOKE
from benchmarks.witness import Witness
from tests.patience import HANG


def test_sizes_can_be_changed() -> None:
    sizes = changed(FULL, ["rounds=9", "idle=10,20", "minutes=0.5"])
    assert (sizes.rounds, sizes.idle, sizes.minutes) == (9, (10, 20), 0.5)
    assert sizes.mib == FULL.mib


@pytest.mark.parametrize("text", ["nothing=1", "rounds=many", "rounds", "idle=1,x"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="--set"):
        changed(FULL, [text])


def test_a_row_that_is_none_is_refused() -> None:
    done = CliRunner().invoke(main, ["relay", "--only", "sendmail", "--no-pin"])
    assert done.exit_code == 2
    assert "no such row: sendmail" in done.output


def test_smaller_runs_are_smaller() -> None:
    assert FULL.rounds > QUICK.rounds > SMOKE.rounds
    assert FULL.logins > QUICK.logins > SMOKE.logins
    assert max(FULL.idle) > max(QUICK.idle) > max(SMOKE.idle)


def test_a_mode_that_fails_leaves_the_others_and_a_bad_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome(tmp_path, {"cores": 2}, as_json=False)
    outcome.failed("relay", RuntimeError("connection closed"), "emailproxy.log: why")
    outcome.add("idle", {"Idle": []}, Witness(1, together=True))
    assert not outcome.end(check=False)
    said = capsys.readouterr().err
    assert "FAILED: relay: RuntimeError: connection closed\nemailproxy.log: why" in said
    assert said.count("FAILED: relay: RuntimeError: connection closed") == 2, "at once, and at the end"
    assert (tmp_path / "idle.json").exists()


def test_a_row_that_was_given_up_leaves_the_others_and_a_bad_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = Outcome(tmp_path, {"cores": 2}, as_json=False, together=True)
    lost = Result(Row("nginx", "", 1, 1, "token"), failed="OSError: refused")
    outcome.add("idle", {"Idle: 10": [lost]}, Witness(1, together=True))
    assert not outcome.end(check=False)
    assert "FAILED: idle: Idle: 10: nginx: OSError: refused" in capsys.readouterr().err


def test_modes_are_together_in_one_file_as_soon_as_each_ends(tmp_path: Path) -> None:
    outcome = Outcome(tmp_path, {"cores": 2}, as_json=True, together=True)
    for number, mode in enumerate(("relay", "idle"), 1):
        outcome.add(mode, {"Title": []}, Witness(1, together=True))
        assert len(json.loads((tmp_path / "all.json").read_text())["modes"]) == number
    assert outcome.end(check=False)


def test_what_no_run_wrote_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    done = CliRunner().invoke(main, ["targets", str(tmp_path / "x.json")])
    assert done.exit_code == 1
    assert "x.json is not the JSON of a benchmark" in done.output


@pytest.mark.parametrize("name", [*RUNS, "targets", "readme", "docs"])
def test_everything_says_what_it_does(name: str) -> None:
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0, done.output


def test_who_is_told_to_end_leaves_no_row_running(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "idle", "--smoke", "--only", "emailproxy", "--no-pin"]
    with subprocess.Popen(
        [*command, "--output", str(tmp_path)], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        assert run.stderr is not None
        assert any("emailproxy" in line for line in iter(run.stderr.readline, "")), "it measures"
        run.send_signal(signal.SIGTERM)
        run.stderr.read()
        assert run.wait(HANG) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)
