"""What is loaded only if a configuration needs it: nothing for a plain file, and the right thing for each reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from emailproxy.config.deferred import nearest, split_words

from .conftest import ACCOUNT, SERVER

HEAVY = {"configparser", "cryptography", "encodings.idna", "importlib.metadata"} | {
    *("concurrent.futures", "difflib", "shlex", "ssl", "trio")
}


def loaded(path: Path, text: str) -> set[str]:
    path.write_text(text)
    program = (
        "import sys\nfrom pathlib import Path\nfrom emailproxy.config import ConfigError, load\n"
        "before = set(sys.modules)\n"
        "try:\n    load(Path(sys.argv[1]))\nexcept ConfigError:\n    pass\nprint(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", _path() + program, path], capture_output=True, check=True)
    return HEAVY & set(done.stdout.decode().split())


def _path() -> str:
    """Without `site`, whose files may load anything."""
    return f"import sys\nsys.path[:] = {sys.path!r}\n"


@pytest.mark.parametrize(
    ("more", "needed"),
    [
        ("", set()),
        ("client_secert = x\n", {"difflib"}),
        ("client_id = twice\n", {"configparser"}),
        ("imap_server = b\u00fccher.example\n", {"encodings.idna"}),
        ("login_alias = no:reference\n", {"importlib.metadata"}),
        ("jwt_certificate_path = {path}\n", {"cryptography"}),
    ],
)
def test_only_what_is_needed(tmp_path: Path, more: str, needed: set[str]) -> None:
    path = tmp_path / "emailproxy.config"
    assert loaded(path, SERVER + ACCOUNT + more.format(path=path)) == needed


def test_nearest() -> None:
    assert nearest("server_adress", {"server_address", "server_port"}, 0.8) == "server_address"
    assert nearest("documentation", {"server_address", "server_port"}, 0.8) is None


def test_words() -> None:
    assert split_words("tell 'the world' x") == ["tell", "the world", "x"]
    with pytest.raises(ValueError, match="quot"):
        split_words("tell 'the")
