"""Tokens of other programs come over with a password that is asked for, and no consent is needed afterwards."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
import trio

from emailproxy.cli import Exit
from emailproxy.config import load
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.tokens import open_broker
from emailproxy.secret import Secret
from emailproxy.store.cached import CachedStore
from emailproxy_backends.file import FileStore
from tests.importing.test_davmail import ENCRYPTED, PASSWORD, TOKEN
from tests.oauth.support import Provider, grant
from tests.patience import HANG

from .support import SECRETS, account, assert_no_secret, file_store, loaded, record, run

SECRETS.update({TOKEN, ENCRYPTED, "another password"})
CONFIG = """[IMAP-1993]
local_address = 127.0.0.1
server_address = imap.example.com
server_port = 993

[{account}]
permission_url = https://login.example.com/authorize
token_url = https://login.example.com/token
oauth2_scope = mail offline_access
redirect_uri = http://localhost:8080
client_id = the-client
client_secret = the-client-secret
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "emailproxy.config"
    path.write_text(CONFIG.format(account=account("ada")) + CONFIG.format(account=account("bob")).partition("\n\n")[2])
    return path


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_bytes(PASSWORD.octets + b"\r\nsecond line\n")
    return path


def sasl(tmp_path: Path, **more: str) -> Path:
    path = tmp_path / account("ada")
    path.write_text(json.dumps({"refresh_token": TOKEN, "expiry": "1"} | more))
    return path


def davmail(tmp_path: Path, **values: str) -> Path:
    path = tmp_path / "davmail-tokens"
    path.write_text("".join(f"{account(name)}={value}\n" for name, value in values.items()))
    return path


async def log_in(config: Path, store: Path, word: Secret) -> Provider:
    """A login through a broker on that store."""
    provider, consents = Provider(grant("fresh")), Consents()
    settings = load(config)
    user = settings.account(account("ada"))
    assert user is not None
    records = CachedStore(FileStore(store))
    async with open_broker(
        records=records, consents=consents, settings=lambda: settings.settings, transport=provider
    ) as broker:
        token = await broker.token(user, word)
        assert token.value == Secret("fresh")
        assert consents.pending() == ()
    await records.aclose()
    return provider


def test_from_sasl_xoauth2_and_a_login(config: Path, password: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    arguments = ("cache", "import", "--from", "sasl-xoauth2", sasl(tmp_path), "--password-file", password)
    code, out, err = run("--config-file", config, "--cache-store", tokens, *arguments)
    assert (code, err) == (0, "")
    assert f"{account('ada')}: imported into file:{tokens}" in out
    assert "client_id and oauth2_scope" in out
    kept = loaded(FileStore(tokens), "ada")
    assert kept is not None
    assert kept.token_iterations == 1_200_000
    provider = trio.run(log_in, config, tokens, PASSWORD)
    assert [request["grant_type"] for request in provider.requests] == ["refresh_token"]
    assert provider.requests[0]["refresh_token"] == TOKEN


def test_from_davmail_with_the_password_of_the_client(config: Path, password: Path, tmp_path: Path) -> None:
    file = davmail(tmp_path, ada=ENCRYPTED)
    code, out, err = run(
        "--config-file", config, "cache", "import", "--from", "davmail", file, "--password-file", password
    )
    assert (code, err) == (0, "")
    assert f"imported into file:{config}" in out
    kept = loaded(FileStore(config), "ada")
    assert kept is not None
    assert kept.refresh_token is not None


def test_davmail_with_another_password(config: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("another password")
    file = davmail(tmp_path, ada=ENCRYPTED)
    arguments = ("cache", "import", "--from", "davmail", file, "--password-file", tmp_path / "wrong")
    code, out, err = run("--config-file", config, *arguments)
    assert (code, out) == (Exit.FAILED, "")
    assert "that password does not open" in err
    assert FileStore(config).accounts() == []


def test_the_client_id_is_compared(config: Path, password: Path, tmp_path: Path) -> None:
    arguments = ("cache", "import", "--from", "sasl-xoauth2", "--password-file", password)
    out = run("--config-file", config, *arguments, sasl(tmp_path, client_id="the-client"))[1]
    assert "client_id is the one" in out
    out = run("--config-file", config, *arguments, "--overwrite", sasl(tmp_path, client_id="another"))[1]
    assert "issued to client_id = another" in out
    assert "will refuse" in out


def test_a_record_is_not_replaced_unasked(config: Path, password: Path, tmp_path: Path) -> None:
    kept = record()
    file_store(config, ada=kept)
    arguments = ("cache", "import", "--from", "sasl-xoauth2", sasl(tmp_path), "--password-file", password)
    code, _, err = run("--config-file", config, *arguments)
    assert code == Exit.FAILED
    assert "--overwrite" in err
    # The record in the configuration file counts as well when there is a store.
    assert run("--config-file", config, "--cache-store", tmp_path / "tokens", *arguments)[0] == Exit.FAILED
    assert loaded(FileStore(config), "ada") == kept
    assert run("--config-file", config, *arguments, "--overwrite")[0] == 0
    assert loaded(FileStore(config), "ada") != kept


def test_an_account_that_is_not_configured(config: Path, password: Path, tmp_path: Path) -> None:
    file = davmail(tmp_path, eve="plain")
    code, _, err = run(
        "--config-file", config, "cache", "import", "--from", "davmail", file, "--password-file", password
    )
    assert code == Exit.FAILED
    assert "has no such account" in err


def test_several_accounts_need_several_passwords(config: Path, password: Path, tmp_path: Path) -> None:
    file = davmail(tmp_path, ada="plain", bob="plain")
    arguments = ("cache", "import", "--from", "davmail", file, "--password-file", password)
    assert run("--config-file", config, *arguments)[0] == Exit.CONFIGURATION
    assert run("--config-file", config, *arguments, "--account", account("bob").upper())[0] == 0
    assert FileStore(config).accounts() == [account("bob")]
    code, _, err = run("--config-file", config, *arguments, "--account", "nobody@example.com")
    assert code == Exit.FAILED
    assert "there is no token of nobody" in err


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_an_empty_password(config: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "empty").write_bytes(content)
    arguments = ("cache", "import", "--from", "sasl-xoauth2", sasl(tmp_path), "--password-file", tmp_path / "empty")
    code, _, err = run("--config-file", config, *arguments)
    assert code == Exit.FAILED
    assert "first line is empty" in err


def test_without_a_terminal_the_password_comes_from_a_file_or_standard_input(config: Path, tmp_path: Path) -> None:
    arguments = ("cache", "import", "--from", "sasl-xoauth2", sasl(tmp_path))
    code, _, err = run("--config-file", config, *arguments)
    assert code == Exit.FAILED
    assert "--password-file" in err
    typed = PASSWORD.reveal() + "\n"
    assert run("--config-file", config, *arguments, "--password-file", "-", typed=typed)[0] == 0


def until_silent(terminal: int) -> None:
    """Wait until it does not echo, which is just after the question: what was typed before is thrown away."""
    end = time.monotonic() + HANG
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        assert time.monotonic() < end, "what is typed is shown"
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="terminals")
def test_in_a_terminal_the_password_is_asked_for_and_not_shown(config: Path, tmp_path: Path) -> None:
    file = davmail(tmp_path, ada="plain")
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "emailproxy", "--config-file", str(config)]
    command += ["cache", "import", "--from", "davmail", str(file)]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True) as process:
        os.close(terminal)
        shown = b""

        def until(words: bytes) -> None:
            nonlocal shown
            while words not in shown:
                shown += os.read(main, 4096)

        until(b"Mail password of ada@example.com:")
        until_silent(main)
        os.write(main, PASSWORD.octets + b"\n")
        until(b"epeat for confirmation:")
        until_silent(main)
        os.write(main, PASSWORD.octets + b"\n")
        until(b"imported into")
        assert process.wait(HANG) == 0
    os.close(main)
    assert_no_secret(shown.decode())
    assert PASSWORD.reveal() not in " ".join(command)
