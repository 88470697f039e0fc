"""``emailproxy authorise`` through a proxy that runs, with its listener, its store, and the simulated provider."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emailproxy.cli import Exit, mail_password
from emailproxy.cli import authorising as module
from emailproxy.config.sealkey import new_key_text
from tests.patience import HANG

from .running import PASSWORD, USER, Running, running_proxy, sign_in
from .support import SECRETS, assert_no_secret, run

OTHER = "another mail password"
SECRETS.add(OTHER)


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Running]:
    with running_proxy(tmp_path) as running:
        yield running


@contextmanager
def authorising(proxy: Running, *flags: str, password: str | None = PASSWORD) -> Iterator[subprocess.Popen[str]]:
    """The command as its own process, as far as its address."""
    command = [sys.executable, "-m", "emailproxy", "--config-file", str(proxy.path), "authorise", USER, *flags]
    if password is not None:
        command += ["--password-file", "-"]
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "BROWSER")}
    environment |= {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        if password is not None:
            process.stdin.write(password + "\n")
            process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


def address(process: subprocess.Popen[str], *, as_json: bool = False) -> str:
    stream = process.stderr if as_json else process.stdout
    assert stream is not None
    said = ""
    for line in stream:
        said += line
        found = re.match(r"  (http\S+)$", line)
        if found:
            return found[1]
    raise AssertionError(said + (process.stderr.read() if process.stderr is not None and not as_json else ""))


def test_the_proxys_own_listener_gets_the_redirect(proxy: Running) -> None:
    with authorising(proxy) as process:
        url = address(process)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert PASSWORD.encode() not in arguments
        assert proxy.call(sign_in, url) == 200
        out, err = process.communicate(timeout=HANG)
    assert (process.returncode, err) == (0, "")
    assert re.search(rf"^{USER} is authorised; its access token is good until 20", out, re.MULTILINE), out
    assert_no_secret(out)
    assert proxy.login().startswith("a OK"), "at once, in the proxy that runs"
    # It works now: nobody is asked.
    code, out, _ = proxy.typed("authorise", USER, "--password-file", "-", "--json", answers=PASSWORD + "\n")
    assert (code, json.loads(out)["outcome"]) == (0, "authorised")
    assert json.loads(out)["until"] > 1_700_000_000


def test_for_programs_and_with_a_pasted_address(proxy: Running) -> None:
    """As over SSH: the browser elsewhere ends at an address that it cannot open."""
    password = proxy.path.with_name("password")
    password.write_text(PASSWORD + "\n")
    with authorising(proxy, "--json", "--password-file", str(password), password=None) as process:
        url = address(process, as_json=True)
        ended = proxy.call(redirected, url)
        assert process.stdin is not None
        process.stdin.write("nonsense\n" + ended + "\n")
        process.stdin.flush()
        out, err = process.communicate(timeout=HANG)
    assert json.loads(out)["outcome"] == "authorised"
    assert process.returncode == 0
    assert "emailproxy: This is not the address that the sign-in ended at." in err
    assert_no_secret(out + err)


async def redirected(url: str) -> str:
    """Where the provider sends the browser to."""
    import httpx2

    async with httpx2.AsyncClient(trust_env=False, timeout=HANG) as browser:
        return str((await browser.get(url)).headers["location"])


def test_denied(proxy: Running) -> None:
    proxy.provider.switches.consent = "deny"
    with authorising(proxy) as process:
        assert proxy.call(sign_in, address(process)) in (200, 400, 403)
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == Exit.FAILED
    assert "the authorisation was denied: access_denied" in err
    assert "is authorised" not in out


def test_a_wrong_password_and_one_that_was_changed(proxy: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with authorising(proxy) as process:
        proxy.call(sign_in, address(process))
        assert process.wait(HANG) == 0
    code, out, err = proxy.typed("authorise", USER, "--password-file", "-", answers=OTHER + "\n")
    assert (code, out) == (Exit.FAILED, "")
    assert "the mail password is not the one that seals the stored tokens" in err
    # At a terminal somebody may say that it was changed.
    for place in (module, mail_password):
        monkeypatch.setattr(place, "has_terminal", lambda: True)
    monkeypatch.setattr(module, "_typed", nothing_typed)
    signed = threading.Thread(target=sign_in_when_asked, args=(proxy,))
    signed.start()
    code, out, err = proxy.typed("authorise", USER, answers=f"{OTHER}\ny\n")
    signed.join(30)
    assert code == 0, err
    assert "Was the mail password changed" in err
    assert proxy.login(OTHER).startswith("a OK")


def nothing_typed() -> AsyncIterator[str]:
    async def nothing() -> AsyncIterator[str]:
        nobody: tuple[str, ...] = ()
        for line in nobody:
            yield line

    return nothing()


def sign_in_when_asked(proxy: Running) -> None:
    async def wait() -> None:
        import trio

        assert proxy.proxy._console is not None
        with trio.fail_after(HANG):
            while not (pending := proxy.proxy._console._context.consents.pending()):
                await trio.sleep(0.02)
        await sign_in(pending[0].url)

    proxy.call(wait)


def test_a_managed_account_needs_no_password(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(new_key_text() + "\n")
    key.chmod(0o600)
    with running_proxy(tmp_path, settings=f"seal_key = file:{key}\n") as proxy:
        code, app_password, _ = proxy.typed("passwords", "add", USER, "--name", "phone")
        assert code == 0
        with authorising(proxy, password=None) as process:
            proxy.call(sign_in, address(process))
            out, err = process.communicate(timeout=HANG)
        assert (process.returncode, err) == (0, ""), out
        assert proxy.login(app_password.strip()).startswith("a OK")
        accounts = json.loads(proxy.typed("accounts", "--json")[1])["accounts"]
        assert (accounts[0]["state"], accounts[0]["managed"]) == ("ok", True)


def test_an_account_that_is_not_there(proxy: Running) -> None:
    code, out, err = proxy.typed("authorise", "eve@example.com", "--json")
    assert code == Exit.FAILED
    assert json.loads(out) == {
        "account": "eve@example.com",
        "outcome": "failed",
        "until": None,
        "error": "there is no account eve@example.com",
    }
    assert err == ""


def test_no_terminal_and_no_password(proxy: Running) -> None:
    code, _, err = proxy.typed("authorise", USER)
    assert code == Exit.CONFIGURATION
    assert "--password-file" in err


def test_accounts_that_wait(proxy: Running) -> None:
    with authorising(proxy) as process:
        address(process)
        code, out, _ = proxy.typed("accounts", "--json")
        assert (code, json.loads(out)["accounts"][0]["state"]) == (Exit.FAILED, "needs_consent")
        _, out, _ = proxy.typed("status")
        assert re.search(rf"^waiting for consent +{USER}$", out, re.MULTILINE)
        proxy.provider.switches.consent = "deny"


def test_doctor(proxy: Running) -> None:
    """In the proxy: with its own view, and its own words for a process that runs."""
    with authorising(proxy) as process:
        proxy.call(sign_in, address(process))
        assert process.wait(HANG) == 0
    code, out, err = proxy.typed("doctor", USER, "--password-file", "-", answers=PASSWORD + "\n")
    assert (code, err) == (0, ""), out
    assert "  ok      login " in out
    assert out.splitlines()[0] == "configuration"
    assert "logged in; the server said" in out
    code, out, _ = proxy.typed("doctor", USER, "--json", "--password-file", "-", answers="wrong\n")
    told = json.loads(out)
    assert (code, told["failures"]) == (1, 1)
    [failed] = [each for each in told["findings"] if each["outcome"] == "failed"]
    assert failed["step"] == "token"
    assert "nothing was changed" in failed["advice"]
    code, out, err = proxy.typed("doctor", "eve@example.com")
    assert (code, err) == (Exit.FAILED, "emailproxy: there is no account eve@example.com\n")
    assert run("--config-file", proxy.path, "doctor", USER)[0] == Exit.CONFIGURATION, "there is nobody to ask"
