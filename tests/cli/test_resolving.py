"""``emailproxy check --resolve``: what is said of each reference, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from emailproxy.cli import cli
from emailproxy.cli.exits import Exit

CONFIG = """\
[IMAP-1993]
local_address = localhost
server_address = env:EMAILPROXY_TEST_HOST
server_port = 993

[ada@example.com]
token_url = https://example.com/token
oauth2_scope = mail
oauth2_flow = client_credentials
client_id = id
client_secret = file:{secret}
"""
SECRET = "s3cret-of-the-application"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMAILPROXY_TEST_HOST", "imap.example.com")
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    path = tmp_path / "emailproxy.config"
    path.write_text(CONFIG.format(secret=secret))
    return path


def run(config: Path, *flags: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["--config-file", str(config), "check", *flags])
    assert SECRET not in result.output
    return result.exit_code, result.stdout, result.stderr


def test_check_alone_prints_addresses(config: Path) -> None:
    code, out, err = run(config)
    assert (code, err) == (Exit.STOPPED, "")
    assert f"[ada@example.com] client_secret <- file:{config.parent}/secret\n" in out
    assert "[IMAP-1993] server_address <- env:EMAILPROXY_TEST_HOST\n" in out
    assert "Resolved" not in out


def test_length_and_last_change(config: Path) -> None:
    code, out, err = run(config, "--resolve")
    assert (code, err) == (Exit.STOPPED, "")
    head, _, resolved = out.partition("\nResolved\n")
    assert "localhost:1993" in head
    one, two = resolved.splitlines()
    assert one == "  [IMAP-1993] server_address  env:EMAILPROXY_TEST_HOST: 16 characters, last change unknown"
    length = f"{len(SECRET)} characters, last change 20"
    assert two.startswith(f"  [ada@example.com] client_secret  file:{config.parent}/secret: {length}")
    assert two.endswith(" UTC")


def test_a_secret_that_is_not_there(config: Path) -> None:
    (config.parent / "secret").unlink()
    code, out, _ = run(config, "--resolve")
    assert code == Exit.CONFIGURATION
    assert f"client_secret  FAILED: file:{config.parent}/secret cannot be read: No such file" in out
    assert run(config)[0] == Exit.STOPPED, "without --resolve it is a warning: it may come later"


def test_the_rest_is_tried_although_the_configuration_is_faulty(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAILPROXY_TEST_HOST")
    code, out, err = run(config, "--resolve")
    assert code == Exit.CONFIGURATION
    assert err.startswith(
        f"emailproxy: {config} [IMAP-1993] server_address: env:EMAILPROXY_TEST_HOST is not set; set it"
    )
    assert "server_address  FAILED: env:EMAILPROXY_TEST_HOST is not set" in out
    assert f"client_secret  file:{config.parent}/secret: {len(SECRET)} characters" in out


def test_no_reference(config: Path) -> None:
    text = config.read_text().replace("env:EMAILPROXY_TEST_HOST", "imap.example.com").replace("file:", "/")
    config.write_text(text)
    code, out, _ = run(config, "--resolve")
    assert code == Exit.STOPPED
    assert out.endswith("There is no reference in this file.\n")
