"""Do the page's modules that need no browser do what they say? ``node --test`` on tests/browser/modules."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import emailproxy.console

from .conftest import cannot

HERE = Path(__file__).parent
PAGE = Path(emailproxy.console.__file__).parent / "page"


def test_modules() -> None:
    node = shutil.which("node") or cannot("Node.js 20 is not installed")
    files = sorted(map(str, (HERE / "modules").glob("*.test.mjs")))
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-6000:]


def test_nothing_from_elsewhere() -> None:
    """No address of another server, no HTML made of text, nothing that the policy would refuse."""
    for path in PAGE.rglob("*.*"):
        text = path.read_text()
        addresses = set(re.findall(r"https?://[^\s'\"`)]+", text)) - {
            "http://www.w3.org/2000/svg",
            "http://localhost/?code=…",
        }
        assert not addresses, (path.name, addresses)
        if path.suffix in (".js", ".html"):
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
            ), path.name
        if path.suffix == ".html":
            assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", text), path.name
