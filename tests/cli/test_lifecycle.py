"""``reload`` and ``drain``, typed beside a real proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailproxy.cli import Exit
from tests.patience import HANG

from .running import UNATTENDED, USER, Running, running_proxy


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_proxy(tmp_path_factory.mktemp("proxy"), **UNATTENDED) as running:
        yield running


def test_reload(proxy: Running) -> None:
    text = proxy.path.read_text()
    proxy.path.write_text(text + text[text.index(f"[{USER}]") :].replace(USER, "bob@example.com"))
    code, out, err = proxy.typed("reload")
    assert (code, out, err) == (Exit.STOPPED, "configuration reloaded: 1 server, 2 accounts\n", "")
    assert "bob@example.com" in proxy.proxy.config.accounts
    proxy.path.write_text(text)
    code, out, _ = proxy.typed("reload", "--json")
    assert json.loads(out) == {"ok": True, "servers": 1, "accounts": 1, "warnings": []}


def test_reload_of_a_faulty_file(proxy: Running) -> None:
    text, before = proxy.path.read_text(), proxy.proxy.config
    proxy.path.write_text(text.replace("server_port = ", "server_port = 9999"))
    try:
        code, out, err = proxy.typed("reload")
        coded, as_json, _ = proxy.typed("reload", "--json")
    finally:
        proxy.path.write_text(text)
    assert (code, out) == (Exit.CONFIGURATION, "")
    assert "server_port: port 9999" in err.splitlines()[0]
    assert "the one in force stays" in err.splitlines()[-1]
    assert coded == Exit.CONFIGURATION
    assert json.loads(as_json)["faults"]
    assert proxy.proxy.config is before


@pytest.mark.parametrize("how", ["--wait", "--now --wait --json"])
def test_drain(tmp_path: Path, how: str) -> None:
    with running_proxy(tmp_path, **UNATTENDED) as proxy:
        if "--now" in how:
            assert proxy.login().startswith("a OK")
        code, out, err = proxy.typed("drain", *how.split())
        assert (code, err) == (0, "")
        assert proxy.over.wait(HANG), "the proxy has ended"
        if "--json" in how:
            assert json.loads(out) == {"ok": True, "sessions": 1, "seconds": 0.0, "ended": True}
        else:
            assert out == "the proxy is stopping: 0 sessions, at most 20 s\nthe proxy has ended\n"
        assert proxy.typed("drain")[0] == Exit.NOT_RUNNING


def test_while_it_drains(tmp_path: Path) -> None:
    """With a session open, the console still answers, and says so."""
    with running_proxy(tmp_path, **UNATTENDED) as proxy:
        assert proxy.login().startswith("a OK")
        assert proxy.typed("drain")[1] == "the proxy is stopping: 1 session, at most 20 s\n"
        code, out, _ = proxy.typed("status")
        assert code == Exit.FAILED, "it is not ready any more"
        assert out.startswith("state          stopping")
        code, _, err = proxy.typed("reload")
        assert code == Exit.FAILED
        assert "the proxy is stopping" in err
        assert proxy.typed("drain", "--now", "--wait")[0] == 0
