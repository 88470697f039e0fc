"""What is listed and shown of records, and that nothing of them is secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emailproxy.cli import Exit
from emailproxy.oauth.sealing import Iterations

from .support import account, assert_no_secret, file_store, record, run


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    file_store(path, ada=record(), bob=record(refresh_token=None, access_token=None, access_token_expiry=None))
    return path


def test_the_list_has_a_line_for_each_account(tokens: Path) -> None:
    code, out, err = run("--cache-store", tokens, "cache", "list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == [
        "account",
        "refresh",
        "token",
        "sealed",
        "access",
        "token",
        "iterations",
        "last",
        "login",
    ]
    assert lines[1].split()[:2] == [account("ada"), "yes"]
    assert "expired" in lines[1]
    assert "2026-09-21 13:56 UTC" in lines[1]
    assert lines[2].split()[:2] == [account("bob"), "no"]
    assert "not kept" in lines[2]
    assert lines[-1] == f"2 in file:{tokens}"


def test_the_list_as_json(tokens: Path) -> None:
    code, out, _ = run("--cache-store", tokens, "cache", "list", "--json")
    assert code == 0
    listed = json.loads(out)
    assert listed["store"] == f"file:{tokens}"
    assert [entry["account"] for entry in listed["accounts"]] == [account("ada"), account("bob")]
    assert listed["accounts"][0]["last_activity"] == 1_789_999_000
    assert listed["accounts"][0]["refresh_token_octets"] > 0


def test_one_damaged_record_does_not_hide_the_others(tokens: Path) -> None:
    tokens.write_text(tokens.read_text() + "\n[eve@example.com]\ntoken_iterations = many\n")
    code, out, err = run("--cache-store", tokens, "cache", "list")
    assert code == Exit.FAILED
    assert account("ada") in out
    assert "not readable" in next(line for line in out.splitlines() if line.startswith(account("eve")))
    assert "token_iterations is not a number" in err


def test_without_a_store_it_is_the_configuration_file(tmp_path: Path) -> None:
    config = tmp_path / "emailproxy.config"
    config.write_text("[IMAP-1993]\nserver_address = imap.example.com\n")
    assert run("--config-file", config, "cache", "list") == (
        0,
        f"file:{config}: there is no record of any account\n",
        "",
    )
    file_store(config, ada=record())
    assert account("ada") in run("--config-file", config, "cache", "list")[1]


def test_records_that_are_still_in_the_configuration_file_are_told_apart(tokens: Path, tmp_path: Path) -> None:
    config = tmp_path / "emailproxy.config"
    file_store(config, ada=record(), eve=record())
    out = run("--config-file", config, "--cache-store", tokens, "cache", "list")[1]
    lines = {line.partition("@")[0]: line for line in out.splitlines()}
    assert "still in" not in lines["ada"]
    assert lines["eve"].endswith(f"still in file:{config}")
    out = run("--config-file", config, "--cache-store", tokens, "cache", "show", account("eve"))[1]
    assert f"file:{config} (not yet in file:{tokens})" in out


def test_show_has_the_metadata_alone(tokens: Path) -> None:
    code, out, err = run("--cache-store", tokens, "cache", "show", account("ada"))
    assert (code, err) == (0, "")
    shown = dict(line.split("  ", 1) for line in out.splitlines() if not line.startswith(" "))
    assert shown["account"].strip() == account("ada")
    assert len(shown["version"].strip()) == 64
    assert shown["refresh token"].strip().endswith("octets")
    code, out, _ = run("--cache-store", tokens, "cache", "show", account("ada"), "--json")
    assert json.loads(out)["version"] == shown["version"].strip()


def test_show_of_an_unknown_account(tokens: Path) -> None:
    code, out, err = run("--cache-store", tokens, "cache", "show", "no\x1b[31mbody@example.com")
    assert (code, out) == (Exit.FAILED, "")
    assert "there is no record" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("command", ["list", "show"])
def test_a_wrong_address_is_a_fault_of_the_flags(command: str) -> None:
    code, out, err = run(
        "--cache-store", "nosuch:x", "cache", command, *([account("ada")] if command == "show" else [])
    )
    assert (code, out) == (Exit.CONFIGURATION, "")
    assert len(err.splitlines()) == 1


def test_a_missing_configuration_file_is_not_an_empty_store(tmp_path: Path) -> None:
    code, out, err = run("--config-file", tmp_path / "none", "cache", "list")
    assert (code, out) == (Exit.CONFIGURATION, "")
    assert "there is no such file" in err


def test_a_store_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    code, out, err = run("--cache-store", tmp_path, "cache", "list")
    assert (code, out) == (Exit.FAILED, "")
    assert len(err.splitlines()) == 1


def test_as_a_real_process(tokens: Path) -> None:
    command = [sys.executable, "-m", "emailproxy", "--cache-store", str(tokens), "cache", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert account("ada") in result.stdout
    assert_no_secret(result.stdout + result.stderr)


def test_iterations_of_old_files_are_named(tmp_path: Path) -> None:
    file_store(tmp_path / "old", ada=record(token_iterations=None))
    assert f"{Iterations().legacy:,} (old)" in run("--cache-store", tmp_path / "old", "cache", "list")[1]
