"""The Tab key, as the shells ask, and in a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emailproxy.cli import cli
from emailproxy.cli.completion import VARIABLE

from .support import run
from .test_accounts import ACCOUNT, SERVER


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "emailproxy.config"
    # A secret that cannot be fetched, and a fault: neither keeps the Tab key from knowing the names.
    path.write_text(
        SERVER + "nonsense\n" + ACCOUNT.format(name="ada") + "client_secret = env:NOT_THERE\n[@example.org]\n"
    )
    return path


def completed(line: str, word: str) -> list[str]:
    """What click offers for `word` behind `line`."""
    from click.shell_completion import ShellComplete

    words = line.split()
    return [item.value for item in ShellComplete(cli, {}, "emailproxy", VARIABLE).get_completions(words, word)]


def test_names_from_the_configuration(config: Path) -> None:
    assert completed(f"--config-file {config} authorise", "A") == ["ada@example.com"]
    assert completed(f"--config-file {config} passwords add", "ada@ex") == ["ada@example.com"]
    assert completed(f"--config-file {config} doctor --server", "") == ["IMAP-1993"]
    assert completed("--config-file /no/such/file authorise", "") == []
    assert "authorise" in completed("", "auth")
    assert "--password-file" in completed("authorise", "--pass")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str) -> None:
    code, out, _ = run("completion", shell)
    assert code == 0
    assert f"{VARIABLE}={shell}_complete" in out
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=out, text=True, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("authorise ", "ada@example.com"),
        ("authorise ada@", "example.com"),
        ("authorise ada@exam", "example.com"),
        ("completion ba", "bash"),
        ("passwords re", "revoke"),
    ],
)
def test_in_bash(config: Path, tmp_path: Path, typed: str, expected: str) -> None:
    """bash breaks words at @, and replaces only what is behind it."""
    bash = shutil.which("bash")
    assert bash is not None
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "emailproxy"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m emailproxy "$@"\n')
    program.chmod(0o755)
    _, script, _ = run("completion", "bash")
    line = f"emailproxy --config-file {config} {typed}"
    call = f"COMP_LINE='{line}' COMP_POINT={len(line)}\n_emailproxy_completion emailproxy"
    asked = f'{script}\n{call}\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = subprocess.run([bash, "--norc", "-c", asked], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == ([expected], "")
