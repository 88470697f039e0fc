"""What is typed, what is printed, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from emailproxy import __version__
from emailproxy.cli import Exit, cli
from emailproxy.config import PROVIDERS
from tests.patience import HANG

from .conftest import FreePort

GOOD = """[IMAP-{port}]
local_address = 127.0.0.1
server_address = 127.0.0.1
server_port = 1

[user@example.com]
token_url = https://example.com/token
oauth2_scope = mail
oauth2_flow = client_credentials
client_id = id
client_secret = secret

[emailproxy]
console_listen = off
"""


@pytest.fixture
def config(tmp_path: Path, free_port: FreePort) -> Path:
    path = tmp_path / "emailproxy.config"
    path.write_text(GOOD.format(port=free_port()))
    return path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_version() -> None:
    assert run("--version") == (0, f"emailproxy, version {__version__}\n", "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_flag_of_the_classic_proxy(flag: str) -> None:
    code, out, _ = run(flag)
    assert code == 0
    for option in [
        "--no-gui",
        "--external-auth",
        "--local-server-auth",
        "--config-file",
        "--cache-store",
        "--log-file",
        "--debug",
    ]:
        assert option in out
    assert "Exit status" in out
    assert "\\b" not in out


@pytest.mark.parametrize("command", ["check", "sample-config", "demo"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Example:\n    emailproxy " in out


def test_help_names_every_provider() -> None:
    out = run("sample-config", "--help")[1]
    for provider in PROVIDERS:
        assert provider in out


def test_external_auth_without_a_terminal_is_warned_about(config: Path) -> None:
    """As a service: nobody could ever complete an authorisation."""
    with start(config, "--external-auth") as process:
        assert "nobody can paste an address" in read_until(process, "--external-auth")
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG) == Exit.STOPPED


def test_check_prints_what_would_be_served(config: Path) -> None:
    code, out, err = run("--config-file", str(config), "check")
    assert (code, err) == (0, "")
    assert "user@example.com" in out
    assert "secret" not in out.replace("client_secret", "")


def test_check_tells_every_fault_at_once(config: Path) -> None:
    config.write_text(
        config.read_text().replace("server_port = 1", "server_port = 70000").replace("token_url", "token_ulr")
    )
    code, out, err = run("--config-file", str(config), "check")
    assert (code, out) == (Exit.CONFIGURATION, "")
    assert "70000" in err
    assert "token_url" in err
    assert len(err.splitlines()) >= 2
    assert all(line.startswith(f"emailproxy: {config}") for line in err.splitlines())


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    code, _, err = run("--config-file", str(tmp_path / "none.config"), "check")
    assert code == Exit.CONFIGURATION
    assert "emailproxy sample-config" in err


def test_samples_are_printed() -> None:
    code, out, _ = run("sample-config", "gmail")
    assert code == 0
    assert "provider = gmail" in out
    assert "office365" not in out
    assert "provider = office365" in run("sample-config")[1]
    assert "imap.gmail.com" in run("sample-config", "--full", "gmail")[1]
    assert run("sample-config", "nosuch")[0] == Exit.CONFIGURATION


def test_an_unknown_store_is_a_fault_of_configuration(config: Path) -> None:
    code, _, err = run("--config-file", str(config), "--cache-store", "nosuch:thing")
    assert code == Exit.CONFIGURATION
    assert "file" in err, "the known prefixes are named"


def test_a_log_file_that_cannot_be_written(config: Path, tmp_path: Path) -> None:
    code, _, err = run("--config-file", str(config), "--log-file", str(tmp_path / "no" / "such.log"))
    assert code == Exit.CONFIGURATION
    assert "--log-file" in err


def test_nothing_to_serve(config: Path) -> None:
    port = int(config.read_text().partition("]")[0].rpartition("-")[2])
    with socket.create_server(("127.0.0.1", port)):
        code, _, err = run("--config-file", str(config))
    assert code == Exit.NOTHING_TO_SERVE
    assert "another program" in err


def start(config: Path, *flags: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "emailproxy", "--no-gui", "--config-file", str(config), *flags]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    seen = ""
    while words not in seen:
        line = process.stderr.readline()
        assert line, f"ended without {words!r}: {seen}"
        seen += line
    return seen


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_signals(config: Path, free_port: FreePort) -> None:
    with start(config) as process:
        log = read_until(process, "listening on 127.0.0.1:")
        process.send_signal(signal.SIGUSR1)
        log += read_until(process, "debug is on")
        config.write_text(config.read_text() + "\n[broken-1]\nserver_prot = 3\n")
        config.write_text(config.read_text().replace("server_port = 1", "server_port = 0"))
        process.send_signal(signal.SIGHUP)
        log += read_until(process, "the one in force stays")
        config.write_text(GOOD.format(port=free_port()))
        process.send_signal(signal.SIGHUP)
        log += read_until(process, "configuration reloaded")
        assert log.count("listening on 127.0.0.1:") == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG) == Exit.STOPPED
    assert "tokens are kept in" in log


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_second_signal_ends_the_drain(config: Path) -> None:
    port = int(config.read_text().partition("]")[0].rpartition("-")[2])
    config.write_text(config.read_text().replace("[emailproxy]\n", "[emailproxy]\ndrain = 3600\n"))
    with start(config) as process:
        read_until(process, "listening on 127.0.0.1:")
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert client.recv(4096).startswith(b"* OK")
            process.send_signal(signal.SIGTERM)
            read_until(process, "sessions get up to 3600 s (now 1)")
            process.send_signal(signal.SIGTERM)
            assert client.recv(4096).startswith(b"* BYE [UNAVAILABLE]")
        assert process.wait(HANG) == Exit.STOPPED


def test_the_module_is_the_command(config: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "emailproxy", "--config-file", config, "check"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    assert result.returncode == 0, result.stderr
