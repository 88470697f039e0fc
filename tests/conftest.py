"""What do tests of every area share?"""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from .clocks import PatientClock
from .ports import reserve
from .time_limit import pytest_timeout_set_timer

__all__ = ["FreePort", "free_port", "pytest_timeout_set_timer"]

# How long an example takes says more about the machine's other work than about the code. Else as hypothesis chooses.
hypothesis.settings.register_profile(
    "unhurried",
    hypothesis.settings.get_profile(hypothesis.settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("unhurried")

# A shell without job control lets what it starts in the background ignore Ctrl-C. That is inherited, by the commands
# that tests interrupt too.
signal.signal(signal.SIGINT, signal.default_int_handler)

FreePort = Callable[[], int]

MOST = 60
"""Characters of a TMPDIR that leave enough for a socket's own name."""


@pytest.fixture
def autojump_clock() -> PatientClock:
    """In place of pytest-trio's, which jumps while a thread works."""
    return PatientClock()


@pytest.fixture
def brief_path() -> Iterator[Path]:
    """A folder for Unix sockets: a path has 107 octets, of which a long TMPDIR and a test's name take too many."""
    place = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(prefix="t-", dir=place if len(place) <= MOST else "/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def free_port() -> Iterator[FreePort]:
    """Ports for servers that bind them later; nobody else gets them before the test is over."""
    with contextlib.ExitStack() as held:
        yield lambda: reserve(held)
