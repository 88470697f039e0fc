"""The demonstration as a user runs it: in process, as a command, and by hand with curl."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emailproxy.demo import mail, run_demo
from emailproxy.testing.provider import oauth

COMMAND = [sys.executable, "-m", "emailproxy", "demo"]


async def test_every_step_works(capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ)
    assert await run_demo(once=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("✓")]) == 6
    assert "1 token request for 3 logins" in lines[-1]
    assert dict(os.environ) == before


async def test_a_failing_step_is_told_and_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(oauth, "CONSENT_PAGE", "<p>no button here</p>")
    assert await run_demo(once=True) == 1
    out = capsys.readouterr().out
    assert "✗ The person opens that address and clicks Allow: the provider's consent page answered 200" in out
    assert "needs authorisation: open" in out.partition("The last lines of the proxy's log:")[2]


async def test_a_message_that_is_not_there_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = mail.MailClient.read_by_imap
    monkeypatch.setattr(mail.MailClient, "read_by_imap", lambda self, _subject: read(self, "another"))
    assert await run_demo(once=True) == 1
    assert "by IMAP, with the same password: the message is not in the inbox" in capsys.readouterr().out


def test_without_trustme_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "trustme.py").write_text("raise ImportError('hidden by a test')\n")
    done = subprocess.run(
        [*COMMAND, "--once"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'emailproxy-cloud[demo]'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_plain_terminal_and_a_proxy_for_the_internet_do_no_harm() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run([*COMMAND, "--once"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nok ") == 6
    assert done.stderr == ""


@contextmanager
def running_demo() -> Generator[tuple[subprocess.Popen[str], str]]:
    """The demonstration after its last step, and what it has printed by then."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        printed = ""
        try:
            for line in process.stdout:
                printed += line
                if "pop3://" in line:
                    break
            yield process, printed
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_goes_on_until_interrupted(number: signal.Signals) -> None:
    with running_demo() as (process, printed):
        assert "password   demo-password" in printed
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(10) == 0


@pytest.mark.e2e  # needs curl
def test_the_printed_commands_work_as_typed() -> None:
    with running_demo() as (process, printed):
        commands = [line.strip() for line in printed.splitlines() if re.match(r"  (curl|printf) ", line)]
        assert len(commands) == 3
        for command in commands:
            assert shlex.split(command)
            done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            if "printf" not in command:
                assert "Subject: Hello from emailproxy" in done.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
