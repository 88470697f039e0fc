"""What do the browser tests share? One Chromium, what is missing on this machine, and where pictures go."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from emailproxy.console.messages import Snapshot
from tests.ports import reserve

if TYPE_CHECKING:
    from .driver import Browser
    from .stage import Answer, Stage

_TIME_LIMIT = 300
"""Seconds for each test: the first one waits until Chromium runs."""
_IMAGES = Path(__file__).parents[2] / "docs" / "images"

_SHOWN = {
    "overview-desktop-light",
    "overview-desktop-dark",
    "overview-phone-dark",
    "accounts-desktop-light",
    "sessions-phone-light",
    "sessions-desktop-dark",
    "activity-desktop-light",
    "device-code-desktop-dark",
    "doctor-desktop-light",
    "passwords-phone-light",
}
"""Pictures in docs/console.md."""

Pictures = Callable[[str], "Path | None"]
StartStage = Callable[..., "Stage"]

_MISSING = [name for name in ("selenium", "PIL", "hypercorn", "starlette") if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if _MISSING and os.environ.get("CI") != "true" else []


def pytest_report_header() -> str | None:
    """What the rest of the tests do without, nobody needs to install for them; but it is said."""
    return f"tests/browser is left out: {', '.join(_MISSING)} not installed (nox -s browser)" if _MISSING else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(_TIME_LIMIT))


def cannot(reason: str) -> NoReturn:
    """A missing program is a failure where everything was installed on purpose, and a loud skip elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The one browser of all tests."""
    from .driver import Browser, missing_programs

    if missing := missing_programs():
        cannot("not installed: " + "; ".join(missing))
    with tempfile.TemporaryDirectory(prefix="chromium-") as folder:
        one = Browser(Path(folder))
        yield one
        one.close()


@pytest.fixture
def browser(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A browser that was never here. What it complains about fails the test, unless that asked itself."""
    chromium.fresh()
    yield chromium
    assert chromium.complaints() == []
    chromium.script("try { localStorage.clear() } catch {}")
    chromium.fresh()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    path = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        cannot("axe-core is not installed: npm ci --prefix tests/browser")
    return path.read_text()


@pytest.fixture
def pictures() -> Pictures:
    """Where the picture of a name goes, if it is wanted: EMAILPROXY_PICTURES says so.

    It is ``docs`` for the documentation's pictures, or a folder for all of them; without it none is made.
    """
    wanted = os.environ.get("EMAILPROXY_PICTURES")

    def place(name: str) -> Path | None:
        if not wanted or (wanted == "docs" and name not in _SHOWN):
            return None
        return (_IMAGES if wanted == "docs" else Path(wanted)) / f"console-{name}.png"

    return place


@pytest.fixture
def start_stage() -> Iterator[StartStage]:
    """Start stand-ins for the proxy."""
    from .stage import Stage

    with contextlib.ExitStack() as stack:

        def start(snapshot: Callable[[], Snapshot], answer: Answer | None = None) -> Stage:
            one = Stage(reserve(stack), snapshot, answer)
            stack.callback(one.stop)
            one.start()
            return one

        yield start
