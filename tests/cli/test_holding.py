"""A proxy that refreshes while its account gets a mail password back: the new refresh token is the one that stays."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from emailproxy.cli import holding
from emailproxy.config import load
from emailproxy.config.sealkey import new_key_text
from emailproxy.oauth.servicekey import account_key
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored
from emailproxy_backends.file import FileStore
from tests.oauth.support import unseal
from tests.patience import HANG

from .support import run

ADA = "ada@example.com"
CONFIG = """[emailproxy]
seal_key = file:{folder}/seal.key
console_listen = off

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
refresh_tokens = {kind}
"""


def prepared(folder: Path, kind: str) -> tuple[Path, FileStore]:
    """A managed account with a refresh token."""
    (folder / "seal.key").write_text(new_key_text())
    (folder / "seal.key").chmod(0o600)
    path = folder / "emailproxy.config"
    path.write_text(CONFIG.format(folder=folder, kind=kind))
    store = FileStore(path)
    store.save(ADA, sealed(path, "rt-1"), None)
    return path, store


def sealed(path: Path, refresh: str, **more: object) -> Record:
    key = load(path).settings.seal_key
    assert key is not None
    mine = account_key(key, ADA)
    return mine.stamped(Record(refresh_token=mine.seal(Secret(refresh)), **more))  # type: ignore[arg-type]


def migrate_back(path: Path, *more: str) -> tuple[int, str]:
    arguments: tuple[str | Path, ...] = (
        "--config-file",
        path,
        "passwords",
        "migrate",
        "--back",
        *more,
        "--password-file",
        "-",
        ADA,
    )
    code, out, err = run(*arguments, typed="the new password\n")
    return code, out + err


def load_stored(store: FileStore) -> Stored:
    stored = store.load(ADA)
    assert stored is not None
    return stored


def test_what_a_proxy_saves_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had begun before the command came, so it did not see that its turn was over."""
    monkeypatch.setattr(holding, "SETTLE", 2)
    path, store = prepared(tmp_path, "rotating")
    seen: list[Record] = []

    async def meanwhile(seconds: float) -> None:
        """The proxy's answer comes while the command waits for the first time."""
        if seconds == holding.SETTLE and not seen:
            stored = load_stored(store)
            seen.append(stored.record)
            store.save(ADA, sealed(path, "rt-2"), stored.version)
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(trio, "sleep", meanwhile)
    code, output = migrate_back(path)
    assert code == 0, output
    assert "waiting 2 s" in output
    assert seen[0].lease_owner, "other proxies see that it is not their turn"
    record = load_stored(store).record
    assert unseal(record, "refresh_token", Secret("the new password")) == "rt-2"
    assert (record.sealed_by, record.lease_owner, record.lease_until) == (None, None, None)


def test_a_turn_that_is_taken_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "LOOK", 0.05)
    path, store = prepared(tmp_path, "single_use")
    stored = load_stored(store)
    leased = replace(stored.record, lease_owner="a proxy", lease_until=int(time.time()) + 600)
    store.save(ADA, leased, stored.version)
    finished: list[int] = []
    thread = threading.Thread(target=lambda: finished.append(migrate_back(path)[0]))
    thread.start()
    thread.join(1.0)  # brief: it looks twenty times in it
    assert not finished
    store.save(ADA, sealed(path, "rt-2"), load_stored(store).version)
    thread.join(HANG)
    assert finished == [0]
    assert unseal(load_stored(store).record, "refresh_token", Secret("the new password")) == "rt-2"


@pytest.mark.parametrize(("kind", "more"), [("reusable", ()), ("rotating", ("--stopped",))])
def test_nobody_is_waited_for_without_need(
    tmp_path: Path, kind: str, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "SETTLE", 1000)
    path, store = prepared(tmp_path, kind)
    code, output = migrate_back(path, *more)
    assert code == 0, output
    assert "waiting" not in output
    assert unseal(load_stored(store).record, "refresh_token", Secret("the new password")) == "rt-1"
