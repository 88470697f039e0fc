"""Token files of sasl-xoauth2, old and new."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emailproxy.importing.sasl_xoauth2 import read
from emailproxy.importing.tokens import ForeignTokenError
from emailproxy.secret import Secret

FULL = {
    "access_token": "access",
    "expiry": "1700000000",
    "refresh_token": "refresh",
    "user": "ada@example.com",
    "client_id": "the-client",
}


def written(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_a_full_file(tmp_path: Path) -> None:
    [token] = read([written(tmp_path / "token.json", FULL)])
    assert (token.account, token.client_id, token.needs_its_password) == ("ada@example.com", "the-client", False)
    assert token.open(Secret("any")) == Secret("refresh")
    assert "refresh" not in repr(token)


def test_an_old_file_is_named_by_its_account(tmp_path: Path) -> None:
    [token] = read([written(tmp_path / "bob@example.com", {"refresh_token": "refresh", "expiry": 0})])
    assert (token.account, token.client_id) == ("bob@example.com", None)
    with pytest.raises(ForeignTokenError, match="does not tell whose"):
        read([written(tmp_path / "token", {"refresh_token": "refresh"})])


def test_several_files(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{name}@example.com", {"refresh_token": name}) for name in ("ada", "bob")]
    assert [token.account for token in read(paths)] == ["ada@example.com", "bob@example.com"]


@pytest.mark.parametrize("document", [[], "x", {}, {"refresh_token": ""}, {"refresh_token": 7}, FULL | {"user": 3}])
def test_other_files(tmp_path: Path, document: object) -> None:
    with pytest.raises(ForeignTokenError):
        read([written(tmp_path / "x", document)])


def test_what_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff{" + b"[" * 100_000)
    with pytest.raises(ForeignTokenError, match="no token file"):
        read([tmp_path / "x"])
