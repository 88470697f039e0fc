"""``status``, ``sessions`` and ``kick``, typed beside a real proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from emailproxy import relay
from emailproxy.cli import Exit, cli
from emailproxy.cli.completion import VARIABLE
from emailproxy.status import Status, StatusFile
from emailproxy.store.health import StoreHealth

from .running import UNATTENDED, USER, Running, running_proxy
from .support import run
from .test_accounts import ACCOUNT, SERVER


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_proxy(tmp_path_factory.mktemp("proxy"), **UNATTENDED) as running:
        assert running.login().startswith("a OK")
        yield running


def test_status(proxy: Running) -> None:
    code, out, err = proxy.typed("status")
    assert (code, err) == (Exit.STOPPED, "")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["state"] == "ready"
    assert lines["listeners"].startswith(f"IMAP-{proxy.port} at 127.0.0.1:{proxy.port} (no TLS) for localhost:")
    assert lines["console"] == f"127.0.0.1:{proxy.console}"
    assert lines["logins"].startswith("1 in the last hour")
    assert "\x1b" not in out


def test_status_for_programs(proxy: Running) -> None:
    code, out, _ = proxy.typed("status", "--json")
    told = json.loads(out)
    assert (code, told["running"], told["source"], told["proxy"]["ready"]) == (0, True, "console", True)
    assert [session["account"] for session in told["sessions"]] == [USER]


def test_sessions(proxy: Running) -> None:
    code, out, _ = proxy.typed("sessions")
    head, line, _, count = out.splitlines()
    assert head.split() == ["id", "listener", "account", "client", "open", "up", "down"]
    assert line.split()[1:3] == [f"IMAP-{proxy.port}", USER]
    assert (code, count) == (0, "1 session")
    assert json.loads(proxy.typed("sessions", "--json")[1])["sessions"][0]["id"] == line.split()[0]
    assert proxy.typed("sessions", "--account", USER.upper())[1].splitlines()[-1] == count
    assert proxy.typed("sessions", "--account", "eve@example.com")[1] == "eve@example.com has no session open\n"


def test_the_tab_key_knows_sessions(proxy: Running) -> None:
    [session] = json.loads(proxy.typed("sessions", "--json")[1])["sessions"]
    words = ["--config-file", str(proxy.path), "kick"]
    [item] = ShellComplete(cli, {}, "emailproxy", VARIABLE).get_completions(words, "0000")
    assert (item.value, item.help) == (session["id"], f"{USER} from {session['client']}")


def test_kick(proxy: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "QUIET", 0.0)  # the login's own answer is only just over
    assert proxy.login().startswith("a OK")
    victim = json.loads(proxy.typed("sessions", "--json")[1])["sessions"][-1]["id"]
    code, out, err = proxy.typed("kick", victim, "00000bad")
    assert out.startswith(f"{victim}: session of {USER} from 127.0.0.1:")
    assert (code, err) == (Exit.FAILED, "emailproxy: there is no session 00000bad\n")
    client = proxy.clients.pop()
    assert proxy.call(client.line).startswith("* BYE [UNAVAILABLE] Your session was ended, please connect again.")
    proxy.call(client.stream.aclose)
    code, out, err = proxy.typed("kick", "00000bad", "--json")
    assert (code, err) == (Exit.FAILED, "")
    assert json.loads(out) == {"ended": [], "failed": [{"id": "00000bad", "error": "there is no session 00000bad"}]}


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "http://localhost:{port}/"])
def test_by_address(proxy: Running, tmp_path: Path, url: str) -> None:
    """From elsewhere: without the configuration, with a token that was brought along."""
    token = tmp_path / "token"
    token.write_bytes(proxy.path.with_name(proxy.path.name + ".console-token").read_bytes())
    where = ("--url", url.format(port=proxy.console), "--token-file", token)
    code, out, _ = run("--config-file", tmp_path / "none", "status", "--json", *where)
    assert (code, json.loads(out)["proxy"]["config"]) == (0, str(proxy.path))
    code, out, _ = run("--config-file", tmp_path / "none", "accounts", "--json", *where)
    assert json.loads(out)["accounts"][0]["account"] == USER


def test_a_wrong_token(proxy: Running, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 43)
    code, out, err = proxy.typed("sessions", "--token-file", token)
    assert (code, out) == (Exit.REFUSED, "")
    assert "does not accept our token" in err
    assert proxy.typed("sessions", "--token-file", tmp_path / "none")[0] == Exit.CONFIGURATION


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1:8025", "ftp://x", "https://u:p@h", "https://h/path", "https://h:x", "nonsense"]
)
def test_addresses_that_are_none(tmp_path: Path, url: str) -> None:
    code, _, err = run("--config-file", tmp_path / "none", "sessions", "--url", url)
    assert code == Exit.CONFIGURATION
    assert "--url" in err


@pytest.mark.parametrize("command", ["sessions", "kick 00000001", "reload", "drain", "console", "watch", "status"])
def test_nobody_runs(tmp_path: Path, command: str, free_port: object) -> None:
    """With a token from a proxy that was, and without one."""
    assert callable(free_port)
    path = tmp_path / "emailproxy.config"
    path.write_text(f"[emailproxy]\nconsole_listen = 127.0.0.1:{free_port()}\n{SERVER}")
    code, out, err = run("--config-file", path, *command.split())
    assert (code, out) == (Exit.NOT_RUNNING, "")
    path.with_name(path.name + ".console-token").write_text("x" * 43 + "\n")
    path.with_name(path.name + ".console-token").chmod(0o600)
    code, out, err = run("--config-file", path, *command.split())
    assert (code, out) == (Exit.NOT_RUNNING, "")
    assert ("no proxy answers at http://127.0.0.1:" in err) is (command != "status")


def test_no_console_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_text(f"[emailproxy]\nconsole_listen = off\n{SERVER}")
    code, _, err = run("--config-file", path, "sessions")
    assert code == Exit.NOT_RUNNING
    assert "console_listen = off" in err


def test_status_of_a_proxy_without_a_console(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_text(f"[emailproxy]\nconsole_listen = off\n{SERVER}")
    file = StatusFile(path)
    file.write(Status(4711, 1.0, "file:x", True, StoreHealth()))
    try:
        code, out, _ = run("--config-file", path, "status")
        told = json.loads(run("--config-file", path, "status", "--json")[1])
        sessions = run("--config-file", path, "sessions")
    finally:
        file.remove()
    assert code == Exit.STOPPED
    assert "process 4711" in out
    assert "console_listen = off" in out
    assert (told["source"], told["pid"]) == ("status file", 4711)
    assert "process 4711" in sessions[2]
    assert json.loads(run("--config-file", path, "status", "--json")[1]) == {"running": False}


def test_a_token_that_may_not_be_read(tmp_path: Path) -> None:
    """Who is not the proxy's user sees what can be seen without it."""
    path = tmp_path / "emailproxy.config"
    path.write_text(SERVER + ACCOUNT.format(name="ada"))
    path.with_name(path.name + ".console-token").write_text("damaged")
    assert run("--config-file", path, "accounts")[0] == Exit.STOPPED
    assert run("--config-file", path, "status")[0] == Exit.NOT_RUNNING
    code, _, err = run("--config-file", path, "sessions")
    assert code == Exit.CONFIGURATION
    assert "holds no token" in err


def test_no_configuration(tmp_path: Path) -> None:
    for command in ("status", "sessions", "accounts", "reload"):
        code, out, err = run("--config-file", tmp_path / "none", command)
        assert (code, out) == (Exit.CONFIGURATION, "")
        assert "there is no such file" in err
    code, out, _ = run("--config-file", tmp_path / "none", "doctor")
    assert (code, out.splitlines()[-1]) == (1, "1 of 1 steps failed"), "which is a finding"


def test_faults_of_the_console_alone_are_said(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_text("[emailproxy]\nconsole_listen = nowhere\n[IMAP-1993]\nserver_port = nonsense\n")
    code, _, err = run("--config-file", path, "sessions")
    assert code == Exit.CONFIGURATION
    assert "console_listen" in err
    assert "server_port" not in err


def test_a_unix_socket(tmp_path: Path, brief_path: Path) -> None:
    def commands() -> list[tuple[int, str, str]]:
        with running_proxy(tmp_path, console=f"unix:{brief_path}/console.sock", **UNATTENDED) as proxy:
            return [
                proxy.typed("status", "--json"),
                run("--config-file", proxy.path, "sessions", "--url", f"unix:{brief_path}/console.sock"),
                proxy.typed("console"),
            ]

    status, sessions, console = commands()
    assert json.loads(status[1])["proxy"]["addresses"] == [f"unix:{brief_path}/console.sock"]
    assert sessions[1] == "no session is open\n"
    assert console[0] == Exit.FAILED
    assert "no browser can open" in console[2]
