"""The benchmark of the stores asks each kind of account, and counts what reaches the store."""

from pathlib import Path

import pytest

from benchmarks import stores
from benchmarks.client import Row
from benchmarks.figures import Result
from benchmarks.processes import Upstream
from benchmarks.stores import KINDS, configuration, user
from emailproxy.config import load
from emailproxy.config.model import RefreshTokens


def test_stores_are_measured_with_an_account_of_each_kind(tmp_path: Path) -> None:
    assert set(KINDS) == {kind.value for kind in RefreshTokens}
    upstream = Upstream(1, "127.0.0.1", 993, "http://127.0.0.1:1/token", "", "somebody", "id", "secret")
    path = tmp_path / "emailproxy.config"
    path.write_text(configuration(1993, upstream))
    config = load(path)
    assert {name: account.refresh_tokens.value for name, account in config.accounts.items()} == {
        user(kind): kind for kind in KINDS
    }


def test_requests_are_those_that_a_login_caused(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = iter([3, 8])
    monkeypatch.setattr(stores, "_got", lambda url: {"GetSecret": next(reached)})
    monkeypatch.setattr(stores, "_login", lambda row, kind: None)
    monkeypatch.setattr(stores, "QUIET", 0)
    row = Row("aws", "", 1, None, "password")
    result = Result(row)
    stores._count(result, "warm", row, stores.Place("aws", "aws:a/", {}, "http://counts/"), "rotating")
    assert result.figures == {"warm": [5]}
