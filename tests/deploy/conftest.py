"""What do the tests of infra/ share? Their marker, and how to say that a tool is not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

_TIME_LIMIT = 900
"""Seconds: a machine boots and installs the package twice in the longest test, and others may be busy beside it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.deploy)
            item.add_marker(pytest.mark.timeout(_TIME_LIMIT))


def cannot(reason: str) -> NoReturn:
    """A missing tool is a failure where everything was installed on purpose, and a loud skip elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def tool(variable: str) -> Path:
    """The path that ``nox -s infra`` put into the environment variable, or the end of the test."""
    value = os.environ.get(variable, "")
    if not value or not Path(value).exists():
        cannot(f"{variable} does not name an existing path: run nox -s infra")
    return Path(value)
