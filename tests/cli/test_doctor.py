"""The doctor as it is typed: lines, JSON, exit status, and where the password comes from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from emailproxy.cli import Exit
from emailproxy.cli.doctor import MOST_FAILURES
from tests.doctor.support import PASSWORD, Patient, admitted, interactive
from tests.patience import HANG

PROVIDER_PASSWORD = "provider-password"


@contextmanager
def patient(folder: Path, *, authorised: bool = False) -> Iterator[Patient]:
    """A patient whose provider runs in a thread of its own."""
    ready: list[Patient] = []
    started, finish = threading.Event(), threading.Event()

    async def run() -> None:
        async with admitted(folder) as made:
            if authorised:
                made.account |= interactive(made.provider)
                made.seal(access=made.provider.issuer.issue_access_token("user@example.com"))
            made.write()
            ready.append(made)
            started.set()
            await trio.to_thread.run_sync(finish.wait)

    thread = threading.Thread(target=trio.run, args=(run,))
    thread.start()
    try:
        assert started.wait(HANG)
        yield ready[0]
    finally:
        finish.set()
        thread.join()


def doctor(made: Patient, *arguments: str, typed: str | None = None) -> tuple[int, str, str]:
    """Run the command as its own process, trusting the provider, and search what it says for secrets."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-m", "emailproxy", "--config-file", str(made.path), "doctor", *arguments]
    done = subprocess.run(
        command,
        env=environment | {"SSL_CERT_FILE": str(made.provider.ca_path)},
        input=typed if typed is not None else "",
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    for secret in {PASSWORD.reveal(), PROVIDER_PASSWORD, *made.secrets, *made.provider.issuer._access}:
        assert secret not in said
    return done.returncode, done.stdout, done.stderr


def test_a_line_for_each_step(tmp_path: Path) -> None:
    with patient(tmp_path) as made:
        status, out, err = doctor(made)
        assert (status, err) == (0, "")
        assert "  ok      TLS " in out
        assert "\x1b" not in out, "plain where nobody looks"
        assert out.splitlines()[-1] == "all is well in 16 steps"


def test_with_an_account(tmp_path: Path) -> None:
    with patient(tmp_path, authorised=True) as made:
        status, out, err = doctor(
            made, "user@example.com", "--password-file", "-", typed=f"{PASSWORD.reveal()}\nmore\n"
        )
        assert (status, err) == (0, ""), out
        assert out.count("logged in; the server said") == 3
        assert made.provider.counters.logins == {"imap": 1, "pop3": 1, "smtp": 1}


def test_failures_are_counted_and_say_what_to_do(tmp_path: Path) -> None:
    with patient(tmp_path) as made:
        made.servers["IMAP-19930"]["server_port"] = "1"
        made.servers["SMTP-15870"]["server_port"] = "2"
        made.write()
        status, out, _ = doctor(made)
        assert status == 2
        assert "FAILED  connect" in out
        assert out.count("Do this: nothing listens there") == 2
        assert out.splitlines()[-1].startswith("2 of ")


def test_json(tmp_path: Path) -> None:
    with patient(tmp_path, authorised=True) as made:
        (tmp_path / "password").write_text("not the right one\n")
        arguments = ("user@example.com", "--json", "--password-file", str(tmp_path / "password"))
        status, out, err = doctor(made, *arguments)
        said = json.loads(out)
        assert (status, said["failures"], err) == (1, 1, "")
        assert said["account"] == "user@example.com"
        [failed] = [finding for finding in said["findings"] if finding["outcome"] == "failed"]
        assert failed["step"] == "token"
        assert failed["cause"] == "wrong-mail-password"
        assert failed["advice"]
        assert [finding["outcome"] for finding in said["findings"] if finding["step"] == "login"] == ["skipped"] * 3


@pytest.mark.parametrize(
    ("arguments", "typed", "words"),
    [
        (["user@example.com"], "", "there is no terminal to ask for the mail password; give --password-file"),
        (["user@example.com", "--password-file", "-"], "\n", "must be the mail password"),
        (["user@example.com", "--password-file", "/nowhere/file"], "", "No such file"),
        (["--password-file", "-"], "", "is for an ACCOUNT"),
        (["user@example.com", "a-password"], "", "unexpected extra argument"),
    ],
)
def test_where_the_password_comes_from(tmp_path: Path, arguments: list[str], typed: str, words: str) -> None:
    with patient(tmp_path) as made:
        status, _, err = doctor(made, *arguments, typed=typed)
        assert status == Exit.CONFIGURATION
        assert words in err
        assert made.provider.counters.connections.total() == 0


def test_more_failures_than_an_exit_status_can_hold(tmp_path: Path) -> None:
    with patient(tmp_path) as made:
        common = "local_address = 127.0.0.1\nserver_address = localhost\nserver_port = 1000000\n"
        made.path.write_text("".join(f"[IMAP-{20000 + number}]\n{common}" for number in range(MOST_FAILURES + 5)))
        status, out, _ = doctor(made)
        assert status == MOST_FAILURES
        assert f"{MOST_FAILURES + 5} of " in out.splitlines()[-1]


def test_a_terminal_gets_ticks_and_a_prompt_without_echo(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    with patient(tmp_path, authorised=True) as made:
        command = [sys.executable, "-m", "emailproxy", "--config-file", str(made.path), "doctor", "user@example.com"]
        environment = os.environ | {"SSL_CERT_FILE": str(made.provider.ca_path), "PYTHONIOENCODING": "utf-8"}
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(sys.executable, command, environment)
        said = b""
        while True:
            try:
                part = os.read(terminal, 65536)
            except OSError:
                break
            if not part:
                break
            said += part
            if said.endswith(b"Mail password of user@example.com: "):
                os.write(terminal, PASSWORD.octets + b"\n")
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        text = said.decode()
        assert os.waitstatus_to_exitcode(status) == 0, text
        assert "✓" in text
        assert "… login" in text
        assert "all is well" in text
        assert PASSWORD.reveal() not in text
