"""A copy says what it did; it can be interrupted, and run again."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from emailproxy.cli import Exit
from emailproxy.cli.cache_copy import LINE_EVERY
from emailproxy_backends.file import FileStore
from tests.patience import HANG

from .support import account, assert_no_secret, file_store, loaded, record, run


def test_from_the_configuration_file_to_a_file_and_again(tmp_path: Path) -> None:
    config = tmp_path / "emailproxy.config"
    config.write_text("[ada@example.com]\ntoken_url = https://example.com/token\n")
    source = file_store(config, ada=record(), bob=record())
    before = config.read_bytes()
    target = tmp_path / "tokens"
    assert run("cache", "copy", config, f"file:{target}") == (0, "copied 2\n", "")
    assert loaded(FileStore(target), "ada") == loaded(source, "ada")
    assert config.read_bytes() == before
    written = target.stat().st_mtime_ns
    assert run("cache", "copy", config, f"file:{target}") == (0, "already there 2\n", "")
    assert target.stat().st_mtime_ns == written


def test_only_one_account(tmp_path: Path) -> None:
    file_store(tmp_path / "a", ada=record(), bob=record())
    assert run("cache", "copy", tmp_path / "a", tmp_path / "b", "--account", account("bob"))[:2] == (0, "copied 1\n")
    assert FileStore(tmp_path / "b").accounts() == [account("bob")]


def test_a_refused_record_is_named_with_its_reason(tmp_path: Path) -> None:
    file_store(tmp_path / "a", ada=record(), bob=record())
    there = record()
    file_store(tmp_path / "b", ada=there)
    code, out, _ = run("cache", "copy", tmp_path / "a", tmp_path / "b")
    assert code == Exit.FAILED
    assert out.splitlines()[-1] == "copied 1, refused 1"
    assert f"refused: {account('ada')}: file:{tmp_path / 'b'} has another one" in out
    assert loaded(FileStore(tmp_path / "b"), "ada") == there
    assert run("cache", "copy", tmp_path / "a", tmp_path / "b", "--overwrite")[:2] == (
        0,
        "replaced 1, already there 1\n",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a", "file:a"], Exit.CONFIGURATION, "both source and target"),
        (["nosuch:a", "b"], Exit.CONFIGURATION, "no store has the prefix"),
        (["none", "b"], Exit.FAILED, "there is no record of any account"),
        (["a"], Exit.CONFIGURATION, "TARGET"),
    ],
)
def test_what_cannot_be_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file_store(tmp_path / "a", ada=record())
    status, _, err = run("cache", "copy", *arguments)
    assert status == code
    assert words in err


def test_progress_without_a_terminal_is_a_line_now_and_then(tmp_path: Path) -> None:
    store, kept = FileStore(tmp_path / "a"), record()
    lines = "".join(
        f"[user{number}@example.com]\n" + "".join(f"{name} = {value}\n" for name, value in kept.to_options().items())
        for number in range(LINE_EVERY + 5)
    )
    (tmp_path / "a").write_text(lines)
    assert len(store.accounts()) == LINE_EVERY + 5
    code, out, err = run("cache", "copy", tmp_path / "a", tmp_path / "b")
    assert (code, out, err) == (0, f"copied {LINE_EVERY + 5}\n", f"{LINE_EVERY} of {LINE_EVERY + 5}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and terminals")
def test_an_interruption_says_how_far_it_came(tmp_path: Path) -> None:
    """The folder of the target is missing, so the copy waits; Ctrl-C in a terminal ends the wait."""
    file_store(tmp_path / "a", ada=record())
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "emailproxy", "cache", "copy", str(tmp_path / "a"), str(tmp_path / "no" / "b")]
    # Who runs the tests in the background of a script hands down a SIGINT that is ignored.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, text=True, preexec_fn=heed) as process:
        os.close(slave)
        shown = b""
        while b"trying again in 1 s" not in shown:
            shown += os.read(master, 4096)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=HANG)
        try:
            while more := os.read(master, 4096):
                shown += more
        except OSError:  # Linux: the other end is closed
            pass
        os.close(master)
    assert process.returncode == Exit.FAILED
    assert out == "not reached 1; run it again to go on\n"
    assert b"emailproxy: interrupted" in shown
    assert b"Traceback" not in shown
    assert_no_secret(shown.decode() + out)
