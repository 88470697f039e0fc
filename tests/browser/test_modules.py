"""Do the page's modules that need no browser do what they say? ``node --test`` on tests/browser/modules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .conftest import cannot

HERE = Path(__file__).parent


def test_modules() -> None:
    node = shutil.which("node") or cannot("Node.js 20 is not installed")
    files = sorted(map(str, (HERE / "modules").glob("*.test.mjs")))
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-6000:]
