"""An address finds its store by the entry point of its prefix, and every way to fail says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from emailproxy.store.base import StoreAddressError
from emailproxy.store.registry import describe, open_store, prefixes, split_address
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


def test_the_own_stores_say_how_to_write_their_addresses() -> None:
    kinds = {kind.prefix: kind for kind in describe()}
    assert list(kinds)[:4] == ["aws", "azure", "file", "gcp"]
    assert kinds["file"].usable
    assert kinds["file"].extra is None
    for prefix in ("aws", "azure", "file", "gcp"):
        kind = kinds[prefix]
        assert kind.distribution == "emailproxy-cloud"
        assert kind.problem is None
        assert kind.extra == (None if prefix == "file" else prefix)
        assert any(form.form.startswith(f"{prefix}:") for form in kind.forms)
        assert all(form.meaning and "\n" not in form.meaning for form in kind.forms)


_ALL_THAT_IS_LOADED = """
import sys
from emailproxy.store.registry import describe
kinds = describe()
print(*(name for name in ("boto3", "botocore", "azure.core", "azure.identity", "azure.keyvault.secrets",
    "azure.storage.blob", "google.cloud.secretmanager_v1", "google.auth", "grpc") if name in sys.modules))
"""


def test_describing_imports_no_sdk() -> None:
    done = subprocess.run([sys.executable, "-c", _ALL_THAT_IS_LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_strangers_store_that_says_nothing_is_listed(site: Path) -> None:
    (site / "silent_store.py").write_text("class Store:\n    about = 'me'\n")
    install(site, "silent", "silent = silent_store:Store")
    (kind,) = (kind for kind in describe() if kind.prefix == "silent")
    assert (kind.distribution, kind.forms, kind.extra, kind.usable, kind.remedy) == ("silent", (), None, True, None)


@pytest.mark.parametrize("module", ["no_such_sdk", "no_such_package.sdk", "json.no_such_part", "json.decoder.deeper"])
def test_what_a_stranger_needs_is_looked_for(site: Path, module: str) -> None:
    name = f"needy_store_{module.replace('.', '_')}"
    (site / f"{name}.py").write_text(
        "from emailproxy.store.about import about\n"
        f"@about(('needy:PATH', 'one each'), extra='sdk', needs=('json', 'xml.dom', '{module}'))\n"
        f"def open_store(rest):\n    import {module}\n"
    )
    install(site, "needy", f"needy = {name}:open_store")
    (kind,) = (kind for kind in describe() if kind.prefix == "needy")
    assert [(form.form, form.meaning) for form in kind.forms] == [("needy:PATH", "one each")]
    assert kind.missing == (module,)
    assert not kind.usable
    assert kind.remedy == "pip install 'needy[sdk]'"
    with pytest.raises(StoreAddressError, match=r"No module named .*; pip install 'needy\[sdk\]'"):
        open_store("needy:x")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import no_such_sdk as _\n", "No module named 'no_such_sdk'); pip install 'early[early]'"),
        ("early = 1\n", "has no attribute 'Store'"),
    ],
)
def test_a_store_that_does_not_load_is_listed_with_the_reason(site: Path, code: str, problem: str) -> None:
    module = f"early_store_{len(code)}"
    (site / f"{module}.py").write_text(code)
    install(site, "early", f"early = {module}:Store")
    (kind,) = (kind for kind in describe() if kind.prefix == "early")
    assert problem in (kind.problem or "")
    assert not kind.usable


def test_two_providers_are_both_listed_and_neither_is_usable(site: Path) -> None:
    (site / "both_store.py").write_text("def one(rest): ...\ndef two(rest): ...\n")
    install(site, "one", "both = both_store:one")
    install(site, "two", "both = both_store:two")
    kinds = [kind for kind in describe() if kind.prefix == "both"]
    assert [kind.distribution for kind in kinds] == ["one", "two"]
    assert all("is provided by one (both_store:one) and two" in (kind.problem or "") for kind in kinds)
