"""The demonstration as a user runs it: in process and as a command; `tests.e2e.test_demo` goes on by hand."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from emailproxy.demo import mail, run_demo
from emailproxy.testing.provider import oauth
from tests.patience import HANG

from .running import COMMAND, running_demo


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_goes_on_until_interrupted(number: signal.Signals) -> None:
    with running_demo() as (process, printed):
        assert "password   demo-password" in printed
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait(HANG) == 0
