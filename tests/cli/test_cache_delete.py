"""Nothing is deleted without a yes, and what it means is said before."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from emailproxy.cli import Exit
from emailproxy_backends.file import FileStore
from tests.patience import HANG

from .support import account, file_store, loaded, record, run


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file_store(tmp_path / "tokens", ada=record(client_secret_encrypted="sealed-value"), bob=record())
    return tmp_path / "tokens"


def test_it_says_what_it_means_and_deletes(tokens: Path) -> None:
    code, out, err = run("--cache-store", tokens, "cache", "delete", account("ada"), "--yes")
    assert (code, out) == (0, f"{account('ada')}: deleted from file:{tokens}\n")
    assert "the next login needs a new consent" in err
    assert "client secret, perhaps the only copy" in err
    assert ".bak" in err
    assert FileStore(tokens).accounts() == [account("bob")]


def test_without_a_terminal_and_a_yes_nothing_happens(tokens: Path) -> None:
    code, out, err = run("--cache-store", tokens, "cache", "delete", account("ada"))
    assert (code, out) == (Exit.CONFIGURATION, "")
    assert "--yes" in err
    assert loaded(FileStore(tokens), "ada") is not None


@pytest.mark.skipif(sys.platform == "win32", reason="terminals")
@pytest.mark.parametrize(("typed", "code"), [(b"n\n", Exit.FAILED), (b"\n", Exit.FAILED), (b"y\n", Exit.STOPPED)])
def test_the_question_in_a_terminal(tokens: Path, typed: bytes, code: int) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "emailproxy", "--cache-store", str(tokens), "cache", "delete", account("ada")]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=subprocess.PIPE) as process:
        os.close(slave)
        os.write(master, typed)
        _, err = process.communicate(timeout=HANG)
        os.close(master)
    assert process.returncode == code
    assert b"Delete it?" in err
    assert (loaded(FileStore(tokens), "ada") is None) == (code == 0)


def test_an_unknown_account(tokens: Path) -> None:
    assert run("--cache-store", tokens, "cache", "delete", account("nobody"), "--yes")[0] == Exit.FAILED


def test_a_damaged_record_can_go(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("[ada@example.com]\ntoken_iterations = many\n")
    code, _, err = run("--cache-store", tmp_path / "tokens", "cache", "delete", account("ada"), "--yes")
    assert code == 0
    assert "damaged" in err
    assert FileStore(tmp_path / "tokens").accounts() == []


def test_older_tokens_of_the_configuration_do_not_come_back_to_life(tokens: Path, tmp_path: Path) -> None:
    config = tmp_path / "emailproxy.config"
    file_store(config, ada=record())
    flags = ("--config-file", config, "--cache-store", tokens)
    code, _, err = run(*flags, "cache", "delete", account("ada"), "--yes")
    assert code == Exit.FAILED
    assert f"emailproxy --config-file {config} cache delete {account('ada')}" in err
    assert loaded(FileStore(tokens), "ada") is not None
    assert run("--config-file", config, "cache", "delete", account("ada"), "--yes")[0] == 0
    assert run(*flags, "cache", "delete", account("ada"), "--yes")[0] == 0
