"""What is typed is understood, or refused with a reason."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks.__main__ import changed, main
from benchmarks.outcome import Outcome
from benchmarks.sizes import FULL, QUICK, SMOKE
from benchmarks.witness import Witness


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
    assert "relay FAILED: RuntimeError: connection closed\nemailproxy.log: why" in capsys.readouterr().err
    assert (tmp_path / "idle.json").exists()
