"""The stores that are installed, and what one lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .support import run


def install(site: Path, distribution: str, entry_points: str) -> None:
    """What an installed distribution looks like to importlib.metadata."""
    info = site / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[emailproxy.stores]\n{entry_points}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_our_own_with_the_forms_of_their_addresses() -> None:
    code, out, err = run("stores")
    assert (code, err) == (0, "")
    for form in ("aws:PREFIX/", "azure:VAULT[/PREFIX]", "file:PATH", "gcp:projects/PROJECT[/secrets/PREFIX]"):
        assert f"\n  {form} " in out
    assert "file:  installed, needs no extra\n" in out


def test_a_strangers_store_that_lacks_something(site: Path) -> None:
    (site / "vault_store.py").write_text(
        "from emailproxy.store.about import about\n"
        "@about(('vault:PATH', 'a vault'), extra='vault', needs=('no_such_module_of_a_vault',))\n"
        "def open_store(rest): ...\n"
    )
    install(site, "vault_store", "vault = vault_store:open_store")
    code, out, _ = run("stores")
    assert code == 0
    needs = "needs no_such_module_of_a_vault: pip install 'vault_store[vault]'"
    assert f"vault:  cannot be used, {needs}\n  vault:PATH  a vault\n" in out


def test_two_of_one_prefix_cannot_be_used(site: Path) -> None:
    install(site, "another", "file = another:open_store")
    out = run("stores")[1]
    assert "cannot be used" in out
    assert "uninstall all but one" in out


def test_json() -> None:
    stores = {store["prefix"]: store for store in json.loads(run("stores", "--json")[1])["stores"]}
    assert stores["file"]["usable"]
    assert stores["file"]["extra"] is None
    assert {"form": "aws:PREFIX/", "meaning": stores["aws"]["addresses"][0]["meaning"]} in stores["aws"]["addresses"]
