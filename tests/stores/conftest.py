"""What do the tests of all stores share? Their marker, and how to say that something is not installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

# Seconds: the first test of a module also starts its emulator, which a busy machine lets wait.
_TIME_LIMIT = 300

# What makes a test fail where everything was installed on purpose.
IN_CI = os.environ.get("CI") == "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.stores)
            item.add_marker(pytest.mark.timeout(_TIME_LIMIT))


def cannot(reason: str) -> NoReturn:
    """A missing SDK or emulator is a failure where everything was installed on purpose, and a loud skip elsewhere."""
    if IN_CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason, allow_module_level=True)
