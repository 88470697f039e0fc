"""App passwords by command: shown once, kept nowhere, limited as asked; and an account there and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from emailproxy.cli import Exit, holding
from emailproxy.config import load
from emailproxy.config.sealkey import new_key_text
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.tokens import open_broker
from emailproxy.secret import Secret
from emailproxy.store.cached import CachedStore
from emailproxy_backends.file import FileStore
from tests.oauth.support import PASSWORD, Provider, grant

from .support import SECRETS, account, file_store, loaded, record, run

ADA = account("ada")
CONFIG = """[emailproxy]
seal_key = file:{folder}/seal.key

[IMAP-1993]
server_address = imap.example.com
server_port = 993

[ada@example.com]
oauth2_flow = client_credentials
token_url = https://login.example.com/token
oauth2_scope = mail
client_id = the-client
client_secret = the-client-secret
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    key = new_key_text()
    SECRETS.add(key)
    (tmp_path / "seal.key").write_text(key)
    (tmp_path / "seal.key").chmod(0o600)
    path = tmp_path / "emailproxy.config"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


def command(config: Path, *arguments: str, typed: str | None = None) -> tuple[int, str, str]:
    return run("--config-file", config, "passwords", *arguments, typed=typed)


def log_in(config: Path, password: str, *answers: object) -> str:
    """What the broker of a proxy with this configuration says to a login from another machine."""

    async def main() -> str:
        checked = load(config)
        known = checked.account(ADA)
        assert known is not None
        records = CachedStore(FileStore(config))
        provider = Provider(*answers)  # type: ignore[arg-type]
        async with open_broker(
            records=records, consents=Consents(), settings=lambda: checked.settings, transport=provider
        ) as broker:
            try:
                got = await broker.token(known, Secret(password), client="192.0.2.1:1", server=checked.servers[0])
            except LoginFailed as error:
                return error.failure.kind.name
            return got.value.reveal()

    return trio.run(main)


def test_a_password_is_shown_once_and_lets_in(config: Path) -> None:
    before = config.read_text()
    status, out, err = command(config, "add", ADA, "--name", "phone")
    password = out.strip()
    assert (status, len(password)) == (0, 16)
    assert password not in err
    assert password not in config.read_text()
    assert config.read_text().startswith(before.rstrip("\n")), "the person's lines stay"
    assert log_in(config, password, grant()) == "new-access"
    assert log_in(config, "abcdefghijkmnpqr") == FailureKind.WRONG_CREDENTIALS.name

    SECRETS.add(password)
    status, out, _ = command(config, "list", ADA)
    assert status == 0
    assert "phone" in out
    assert "for all" in out
    [told] = json.loads(command(config, "list", ADA, "--json")[1])["passwords"]
    assert told["name"] == "phone"
    assert isinstance(told["last_used"], int), "the first login stored a token, and took that along"

    assert command(config, "revoke", ADA, "phone")[0] == 0
    assert log_in(config, password) == FailureKind.WRONG_CREDENTIALS.name
    assert "nobody can log in" in command(config, "list", ADA)[1]


def test_limits_are_kept_and_shown(config: Path) -> None:
    arguments = ["--name", "lobby", "--send-only", "--network", "10.1.0.0/16", "--expires", "365"]
    assert command(config, "add", ADA, *arguments)[0] == 0
    out = command(config, "list", ADA)[1]
    assert "to send only from 10.1.0.0/16 until 20" in out
    arguments = ["--protocol", "imap", "--protocol", "pop", "--network", "192.0.2.1"]
    status, password, _ = command(config, "add", ADA, *arguments)
    assert status == 0
    assert log_in(config, password.strip(), grant()) == "new-access"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--network", "10.1.2.3/8"], "no network"),
        (["--expires", "2020-01-01"], "over already"),
        (["--expires", "soon"], "days, or a date"),
        (["--expires", "0"], "days, or a date"),
        (["--send-only", "--protocol", "imap"], "leave one"),
    ],
)
def test_what_is_wrong_is_said(config: Path, arguments: list[str], words: str) -> None:
    before = config.read_text()
    status, out, err = command(config, "add", ADA, *arguments)
    assert (status, out) == (Exit.CONFIGURATION, "")
    assert words in err
    assert config.read_text() == before


def test_who_has_none_is_told_how_to_begin(config: Path) -> None:
    assert "emailproxy passwords add" in command(config, "list", ADA)[1]
    assert command(config, "revoke", ADA, "x")[0] == Exit.FAILED
    assert command(config, "add", "nobody@example.com")[0] == Exit.FAILED
    status, _, err = command(config, "migrate", ADA, typed="")
    assert status == Exit.FAILED
    assert "nothing to migrate" in err
    config.write_text(config.read_text().replace("seal_key", "#seal_key"))
    status, out, err = command(config, "add", ADA)
    assert (status, out) == (Exit.FAILED, "")
    assert "emailproxy seal init" in err


def test_there_and_back(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "SETTLE", 0)
    store = file_store(config, ada=record())
    password = tmp_path / "password"
    password.write_text("not it\n")
    before = config.read_text()
    status, _, err = command(config, "migrate", ADA, "--password-file", str(password))
    assert status == Exit.FAILED
    assert "nothing was changed" in err
    assert config.read_text() == before

    password.write_text(PASSWORD.reveal() + "\n")
    assert command(config, "migrate", ADA, "--password-file", str(password))[0] == 0
    managed = loaded(store, "ada")
    assert managed is not None
    assert managed.sealed_by is not None
    assert managed.token_salt is None
    assert "mail password" in command(config, "list", ADA)[1]
    assert log_in(config, PASSWORD.reveal(), grant("renewed")) == "renewed", "no device needs a change"
    status, out, _ = command(config, "add", ADA, "--name", "phone")
    assert log_in(config, out.strip()) == "renewed"

    status, _, _ = command(config, "migrate", ADA, "--back", "--password-file", "-", typed="another\n")
    assert status == 0
    assert log_in(config, "another") == "renewed"
    assert log_in(config, out.strip()) == FailureKind.WRONG_CREDENTIALS.name


def test_a_store_of_its_own_gets_it_and_the_configuration_stays(config: Path, tmp_path: Path) -> None:
    file_store(config, ada=record())
    before = config.read_text()
    elsewhere = tmp_path / "tokens"
    flags = ("--config-file", config, "--cache-store", f"file:{elsewhere}", "passwords")
    status, _, err = run(*flags, "add", ADA)
    assert status == Exit.FAILED
    assert "passwords migrate" in err, "the record in the configuration file counts"
    status, _, _ = run(*flags, "migrate", ADA, "--password-file", "-", typed=PASSWORD.reveal() + "\n")
    assert status == 0
    kept = loaded(FileStore(elsewhere), "ada")
    assert kept is not None
    assert kept.sealed_by is not None
    assert config.read_text() == before


def test_an_import_does_not_undo_it(config: Path, tmp_path: Path) -> None:
    assert command(config, "add", ADA)[0] == 0
    token = tmp_path / ADA
    token.write_text(json.dumps({"access_token": "a", "expiry": "0", "refresh_token": "theirs"}))
    arguments = ("cache", "import", "--from", "sasl-xoauth2", token, "--overwrite", "--password-file", "-")
    status, _, err = run("--config-file", config, *arguments, typed="x\n")
    assert status == Exit.FAILED
    assert "managed account" in err


def test_a_password_for_devices_that_do_not_send_it(config: Path) -> None:
    code, out, err = command(config, "add", ADA, "--name", "lobby", "--mechanisms", "cram-md5,SCRAM-SHA-256")
    assert code == 0
    SECRETS.add(out.strip())
    assert "kept sealed in" in err
    assert "can read it" in err
    assert "No listener offers SCRAM-SHA-256 yet: write auth_mechanisms = scram-sha-256" in err
    code, listed, _ = command(config, "list", ADA, "--json")
    assert code == 0
    assert json.loads(listed)["passwords"][0]["mechanisms"] == ["SCRAM-SHA-256", "CRAM-MD5"]
    assert "also by SCRAM-SHA-256, CRAM-MD5" in command(config, "list", ADA)[1]
    assert out.strip() not in config.read_text()


def test_a_mechanism_that_is_none_is_refused_before_anything_is_made(config: Path) -> None:
    code, out, err = command(config, "add", ADA, "--mechanisms", "digest-md5")
    assert (code, out) == (Exit.CONFIGURATION, "")
    assert "DIGEST-MD5 is none" in err


def test_migrate_is_found_with_the_accounts_too(config: Path) -> None:
    status, _, err = run(
        "--config-file", config, "accounts", "migrate", "nobody@example.com", "--password-file", "-", typed="x\n"
    )
    assert status == Exit.FAILED
    assert "no account nobody@example.com" in err
    assert "no proxy runs" not in err, "the list of accounts is not what was asked for"
