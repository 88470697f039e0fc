"""A service key is made once, for nobody else's eyes, and replaced without losing a record."""

from __future__ import annotations

import stat
from pathlib import Path

from emailproxy.cli import Exit
from emailproxy.config.sealkey import SealKey

from .support import SECRETS, account, file_store, loaded, record, run

CONFIG = """[emailproxy]
seal_key = file:{folder}/{name}
{more}
[IMAP-1993]
local_address = localhost
server_address = imap.example.com
server_port = 993

[ada@example.com]
oauth2_flow = client_credentials
token_url = https://login.example.com/token
oauth2_scope = mail
client_id = the-client
client_secret = the-client-secret
"""


def test_a_key_file_is_for_its_owner_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    status, out, _ = run("seal", "init", path)
    text = path.read_text()
    assert status == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SealKey.parse(text).identifier in out
    assert f"seal_key = file:{path}" in out
    assert text.strip() not in out
    status, _, err = run("seal", "init", path)
    assert status == Exit.FAILED
    assert "exists" in err
    assert path.read_text() == text
    assert run("seal", "init", tmp_path / "no" / "such")[0] == Exit.FAILED


def test_standard_output_has_the_key_alone() -> None:
    status, out, err = run("seal", "init", "-")
    assert status == 0
    SealKey.parse(out)  # raises for what is no key
    assert out.strip() not in err


def test_a_rotation(tmp_path: Path) -> None:
    keys = {}
    for name in ("old", "new"):
        run("seal", "init", tmp_path / name)
        SECRETS.add((tmp_path / name).read_text().strip())
        keys[name] = SealKey.parse((tmp_path / name).read_text()).identifier
    config, tokens = tmp_path / "emailproxy.config", tmp_path / "tokens"
    flags = ("--config-file", config, "--cache-store", f"file:{tokens}")
    config.write_text(CONFIG.format(folder=tmp_path, name="old", more=""))
    store = file_store(tokens, bob=record())
    password = run(*flags, "passwords", "add", account("ada"), "--name", "phone")[1].strip()
    SECRETS.add(password)
    compatible = loaded(store, "bob")

    config.write_text(CONFIG.format(folder=tmp_path, name="new", more=""))
    status, out, err = run(*flags, "seal", "rotate")
    assert (status, "left 1" in out) == (Exit.FAILED, True)
    assert keys["old"] in err, "which key is missing"

    config.write_text(CONFIG.format(folder=tmp_path, name="new", more=f"seal_key_previous = file:{tmp_path}/old\n"))
    status, out, _ = run(*flags, "seal", "rotate")
    assert (status, "sealed anew 1, left 0" in out) == (0, True)
    kept = loaded(store, "ada")
    assert kept is not None
    assert kept.sealed_by == keys["new"]
    assert loaded(store, "bob") == compatible

    config.write_text(CONFIG.format(folder=tmp_path, name="new", more=""))
    assert "sealed anew 0, left 0" in run(*flags, "seal", "rotate")[1]
    assert "phone" in run(*flags, "passwords", "list", account("ada"))[1]


def test_without_a_key_there_is_nothing_to_rotate(tmp_path: Path) -> None:
    config = tmp_path / "emailproxy.config"
    config.write_text(CONFIG.format(folder=tmp_path, name="x", more="").replace("seal_key", "#seal_key"))
    status, _, err = run("--config-file", config, "seal", "rotate")
    assert status == Exit.CONFIGURATION
    assert "seal init" in err
