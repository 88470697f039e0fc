"""An address finds its store by the entry point of its prefix, and every way to fail says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emailproxy.store.base import StoreAddressError
from emailproxy.store.registry import open_store, prefixes, split_address
from emailproxy_backends.file import FileStore


def install(folder: Path, distribution: str, entry_points: str) -> None:
    """What an installed distribution looks like to importlib.metadata."""
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[emailproxy.stores]\n{entry_points}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    return site


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("file:/var/cache.ini", ("file", "/var/cache.ini")),
        ("/var/cache.ini", ("file", "/var/cache.ini")),
        ("cache.ini", ("file", "cache.ini")),
        ("./odd:name", ("file", "./odd:name")),
        ("C:\\Users\\ada\\cache.ini", ("file", "C:\\Users\\ada\\cache.ini")),
        ("c:/cache.ini", ("file", "c:/cache.ini")),
        ("aws:profile||name", ("aws", "profile||name")),
        ("aws:arn:aws:secretsmanager:eu-west-1:1:secret:x", ("aws", "arn:aws:secretsmanager:eu-west-1:1:secret:x")),
        ("AZURE:https://v.vault.azure.net/x", ("azure", "https://v.vault.azure.net/x")),
        ("file:aws:x", ("file", "aws:x")),
    ],
)
def test_split_address(address: str, parts: tuple[str, str]) -> None:
    assert split_address(address) == parts


def test_file_store_comes_through_the_strangers_door(tmp_path: Path) -> None:
    assert "file" in prefixes()
    store = open_store(str(tmp_path / "cache.ini"))
    assert isinstance(store, FileStore)


def test_unknown_prefix_names_the_known() -> None:
    with pytest.raises(StoreAddressError, match=r"no store has the prefix vault: \(installed: .*file:.*file:vault:x"):
        open_store("vault:x")


def test_a_strangers_store_is_loaded_only_when_asked_for(site: Path) -> None:
    (site / "stranger_store.py").write_text("class Store:\n    def __init__(self, rest): self.rest = rest\n")
    install(site, "stranger", "stranger = stranger_store:Store")
    assert "stranger" in prefixes()
    assert "stranger_store" not in sys.modules
    store = open_store("stranger:the/rest")
    assert store.rest == "the/rest"  # type: ignore[attr-defined]


def test_two_providers_of_a_prefix(site: Path) -> None:
    install(site, "one", "twice = one_store:Store")
    install(site, "two", "twice = two_store:Store")
    with pytest.raises(
        StoreAddressError, match=r"twice: is provided by one \(one_store:Store\) and two \(two_store:Store\)"
    ):
        open_store("twice:x")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_sdk\n", r"No module named 'no_such_sdk'\); pip install 'broken\[broken\]'"),
        ("def Store(rest): import no_such_sdk\n", r"No module named 'no_such_sdk'\); pip install 'broken\[broken\]'"),
        ("", "has no attribute 'Store'.*update broken"),
    ],
)
def test_a_store_that_does_not_load(site: Path, code: str, message: str) -> None:
    module = f"broken_store_{len(code)}"
    (site / f"{module}.py").write_text(code)
    install(site, "broken", f"broken = {module}:Store")
    with pytest.raises(StoreAddressError, match=message):
        open_store("broken:x")
