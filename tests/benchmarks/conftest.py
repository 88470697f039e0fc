"""The benchmarks belong to the repository, not to the installed package: they are imported from there."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))


@pytest.fixture(autouse=True)
def linux() -> None:
    """They read Linux's /proc."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("the benchmarks read Linux's /proc")
