"""What do tests of every area share?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from .ports import reserve
from .time_limit import pytest_timeout_set_timer

__all__ = ["FreePort", "free_port", "pytest_timeout_set_timer"]

FreePort = Callable[[], int]


@pytest.fixture
def free_port() -> Iterator[FreePort]:
    """Ports for servers that bind them later; nobody else gets them before the test is over."""
    with contextlib.ExitStack() as held:
        yield lambda: reserve(held)
