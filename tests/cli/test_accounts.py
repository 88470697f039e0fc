"""How the accounts stand, and that nothing secret is said of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from emailproxy.cli import Exit
from emailproxy.status import Status, StatusFile, WaitingAccount
from emailproxy.store.health import StoreHealth

from .support import account, file_store, record, run

SERVER = "[IMAP-1993]\nserver_address = imap.example.com\nserver_port = 993\nlocal_address = localhost\n"
ACCOUNT = """
[{name}@example.com]
permission_url = https://provider.test/authorize
token_url = https://provider.test/token
redirect_uri = http://localhost:8080
oauth2_scope = mail
client_id = the-client
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "emailproxy.config"
    path.write_text(SERVER + "".join(ACCOUNT.format(name=name) for name in ("ada", "bob", "eve")))
    file_store(path, ada=record(), bob=record(refresh_token=None))
    return path


def test_the_list(config: Path) -> None:
    code, out, err = run("--config-file", config, "accounts")
    lines = out.splitlines()
    assert lines[0].split() == ["account", "state", "flow", "last", "use", "kept", "in"]
    assert lines[1].startswith("ada@example.com  ok until the provider ends the consent")
    assert lines[1].endswith(f"authorization_code  2026-09-21 13:56 UTC  file:{config}")
    assert "needs consent, the access token has ended, and there is no refresh token" in lines[2]
    assert lines[3].split() == ["eve@example.com", "never", "used", "authorization_code", "-", "-"]
    assert "No proxy runs" in lines[-1]
    assert code == Exit.FAILED
    assert "emailproxy authorise ACCOUNT" in err


def test_for_programs(config: Path) -> None:
    code, out, err = run("--config-file", config, "accounts", "--json")
    told = json.loads(out)
    assert (told["store"], told["running"]) == (f"file:{config}", False)
    assert [one["state"] for one in told["accounts"]] == ["ok", "needs_consent", "never_used"]
    assert told["accounts"][0]["last_use"] == 1_789_999_000
    assert (code, err) == (Exit.FAILED, "")


def test_what_the_running_proxy_knows(config: Path) -> None:
    file = StatusFile(config)
    waiting = (WaitingAccount(account("ada"), "refused: AADSTS70043", 1_790_000_000.0),)
    file.write(Status(os.getpid(), 1.0, "file:x", True, StoreHealth(), waiting=waiting))
    try:
        _, out, _ = run("--config-file", config, "accounts")
    finally:
        file.remove()
    assert "needs consent, refused: AADSTS70043" in out.splitlines()[1]
    assert "No proxy runs" not in out


def test_all_is_well(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_text(SERVER + ACCOUNT.format(name="ada"))
    file_store(path, ada=record())
    assert run("--config-file", path, "accounts")[::2] == (0, "")


def test_a_store_elsewhere_whose_gaps_the_file_fills(config: Path, tmp_path: Path) -> None:
    file_store(tmp_path / "tokens", bob=record())
    _, out, _ = run("--config-file", config, "--cache-store", tmp_path / "tokens", "accounts")
    ada, bob, _ = out.splitlines()[1:4]
    assert ada.endswith(f"file:{config}")
    assert bob.endswith(f"file:{tmp_path / 'tokens'}")
    assert "  ok " in bob
