"""Which texts are references, and how a prefix finds who follows it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emailproxy.references.base import Reference
from emailproxy.references.sources import Sources
from emailproxy.store.base import StoreAddressError, StoreContentError

from .fakes import FakeSource, sources


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("azure:v/secrets/n", Reference("azure", "v/secrets/n")),
        ("AWS:arn:aws:x", Reference("aws", "arn:aws:x")),
        ("gcp:projects/p/secrets/s", Reference("gcp", "projects/p/secrets/s")),
        ("file:/run/secrets/x", Reference("file", "/run/secrets/x")),
        ("file:C:\\x", Reference("file", "C:\\x")),
        ("env:NAME", Reference("env", "NAME")),
        # `client_id = file` is old, and means something else.
        ("file", None),
        ("C:\\mail\\key.pem", None),
        ("c:/mail/key.pem", None),
        ("http://localhost:8080", None),
        ("https://v.vault.azure.net/secrets/n", None),
        ("urn:ietf:wg:oauth:2.0:oob", None),
        ('{"type": "service_account"}', None),
        ("a secret: with a colon", None),
        (" env:NAME", None),
        ("", None),
    ],
)
def test_what_is_a_reference(text: str, reference: Reference | None) -> None:
    assert Sources().reference(text) == reference


def test_every_installed_source_opens_by_its_entry_point() -> None:
    all_sources = Sources()
    for text in ("env:A", "file:a"):
        reference = all_sources.reference(text)
        assert reference is not None
        all_sources.check(reference)
        assert all_sources.is_local(reference)


def test_a_source_is_opened_once_and_closed() -> None:
    fake = FakeSource({"a": "1", "b": "2"})
    opened: list[int] = []

    def opening() -> FakeSource:
        opened.append(1)
        return fake

    some = Sources({"vault": opening})
    assert not some.opened
    assert some.blocks(Reference("vault", "a"))
    assert some.read(Reference("vault", "a")).value.reveal() == "1"
    assert some.read(Reference("vault", "b")).value.reveal() == "2"
    assert not some.blocks(Reference("vault", "a"))
    assert opened == [1]
    some.close()
    assert fake.closed == 1
    assert not some.opened


def test_an_empty_value_is_a_mistake() -> None:
    with pytest.raises(StoreContentError, match="vault:a: what is kept there is empty"):
        sources(FakeSource({"a": ""})).read(Reference("vault", "a"))


def test_an_address_is_one_line() -> None:
    fake = FakeSource({"a\nb": "x"})
    with pytest.raises(StoreAddressError, match="one line"):
        sources(fake).read(Reference("vault", "a\nb"))
    assert not fake.reads


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    return site


def install(site: Path, distribution: str, prefix: str, code: str) -> None:
    """An installed distribution that provides a prefix."""
    info = site / f"{distribution}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[emailproxy.secrets]\n{prefix} = {distribution}_module:Source\n")
    (site / f"{distribution}_module.py").write_text(code)


def test_a_strangers_source_is_imported_only_when_used(site: Path) -> None:
    code = "from tests.references.fakes import FakeSource\nSource = lambda: FakeSource({'a': 'from afar'})\n"
    install(site, "stranger", "hashi", code)
    some = Sources()
    reference = some.reference("hashi:a")
    assert reference == Reference("hashi", "a")
    assert "stranger_module" not in sys.modules
    assert some.read(reference).value.reveal() == "from afar"


@pytest.mark.parametrize(
    "code",
    [
        "import no_such_sdk\n",
        "class Source:\n    def check(self, rest): import no_such_sdk\n",
    ],
)
def test_a_missing_sdk_says_what_to_install(site: Path, code: str) -> None:
    name = f"broken{len(code)}"
    install(site, name, "hashi", code)
    with pytest.raises(StoreAddressError, match=rf"secrets hashi: cannot be loaded .*pip install '{name}\[hashi\]'"):
        Sources().check(Reference("hashi", "a"))


def test_two_providers_of_a_prefix(site: Path) -> None:
    install(site, "one", "hashi", "")
    install(site, "two", "hashi", "")
    with pytest.raises(StoreAddressError, match=r"is provided by one .* and two"):
        Sources().check(Reference("hashi", "a"))
