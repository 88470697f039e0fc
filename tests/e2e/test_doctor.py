"""The doctor as a user runs it, beside a running proxy, with a Dovecot and an OAuth server that nobody here wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from emailproxy.status import read_status
from tests.patience import HANG

from .clients import connect_imap
from .conftest import StartProxy
from .oauth_server import CLIENT_SECRET
from .proxy import PASSWORD, Accounts, Proxy, unseal
from .world import World

USER = "doctor@example.test"


def doctor(proxy: Proxy, *arguments: str, password: str = PASSWORD) -> tuple[int, dict[str, Any]]:
    """Exit status, and what was found; no secret is in it."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [Path(sys.executable).parent / "emailproxy", "--config-file", proxy.path, "doctor", *arguments, "--json"]
    done = subprocess.run(
        [str(word) for word in command],
        env={**inherited, "SSL_CERT_FILE": str(proxy.world.authority)},
        input=f"{password}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    proxy.assert_clean_log(done.stdout + done.stderr)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def failed(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [finding for finding in found["findings"] if finding["outcome"] == "failed"]


def await_ready(proxy: Proxy) -> None:
    """Wait until the file says so that tells other processes of the proxy: it is written behind the log."""
    end = time.monotonic() + HANG
    while (status := read_status(proxy.path).status) is None or not status.ready:
        assert time.monotonic() < end, proxy.running.tail()
        time.sleep(0.02)


def log_in(proxy: Proxy) -> None:
    with connect_imap(proxy) as client:
        client.login(USER, PASSWORD)
        assert client.select("INBOX")[0] == "OK"
        client.logout()


def test_all_is_well_and_a_refresh_token_for_single_use_survives(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER, lifetime=-100, refresh_tokens="single_use")})
    world.oauth.mood(rotate=True)
    before = unseal(proxy.record(USER), "refresh_token")
    await_ready(proxy)
    status, found = doctor(proxy, USER, "--password-file", "-")
    assert status == 0, failed(found)
    steps = [(finding["subject"].split(" ")[0], finding["step"]) for finding in found["findings"]]
    for protocol in ("IMAP", "POP", "SMTP"):
        assert [step for subject, step in steps if subject == protocol] == [
            "DNS", "connect", "TLS", "capabilities", "login",
        ]  # fmt: skip
    assert f"process {proxy.running.pid} runs" in next(f for f in found["findings"] if f["step"] == "running")["told"]
    assert next(finding for finding in found["findings"] if finding["step"] == "clock")["outcome"] == "ok"
    assert unseal(proxy.record(USER), "refresh_token") != before
    log_in(proxy)  # the running proxy uses what the doctor stored


def test_without_an_account(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER)})
    world.oauth.reset()
    status, found = doctor(proxy)
    assert (status, failed(found)) == (0, [])
    assert "refresh_token" not in world.oauth.requests()


def test_a_revoked_authorisation(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER, lifetime=-100, refresh_tokens="reusable")})
    world.oauth.revoke(unseal(proxy.record(USER), "refresh_token"))
    before = proxy.path.read_text()
    status, found = doctor(proxy, USER, "--password-file", "-")
    assert status == 1
    [finding] = failed(found)
    assert finding["step"] == "token"
    assert "invalid_grant" in finding["told"]
    assert "authorise the account again" in finding["advice"]
    assert proxy.path.read_text() == before


def test_a_client_secret_that_was_rotated(start_proxy: StartProxy, accounts: Accounts) -> None:
    account = accounts.client_credentials(secret=f"not-{CLIENT_SECRET}")
    proxy = start_proxy({USER: account})
    status, found = doctor(proxy, USER, "--password-file", "-")
    assert status == 1
    [finding] = failed(found)
    assert finding["cause"] == "invalid_client"
    assert "rotated" in finding["advice"]


def test_a_mailbox_of_somebody_else(start_proxy: StartProxy, accounts: Accounts) -> None:
    """Authorised as another person than the mailbox's: Dovecot refuses what the OAuth server confirms."""
    proxy = start_proxy({USER: accounts.authorised("stranger@example.test", refresh_tokens="reusable")})
    status, found = doctor(proxy, USER, "--password-file", "-")
    assert status == 3
    assert {finding["step"] for finding in failed(found)} == {"login"}
    assert all("the server said" in finding["told"] and finding["advice"] for finding in failed(found))


def test_a_wrong_mail_password(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER, lifetime=-100)})
    world.oauth.reset()
    before = proxy.path.read_text()
    status, found = doctor(proxy, USER, "--password-file", "-", password="a wrong one")
    assert status == 1
    assert failed(found)[0]["cause"] == "wrong-mail-password"
    assert proxy.path.read_text() == before
    assert "refresh_token" not in world.oauth.requests()
    log_in(proxy)
