"""What does every end-to-end test share? The servers, one proxy with all listeners, and accounts to use up."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from .proxy import Accounts, Listener, Proxy, all_listeners
from .world import World, missing_programs, search_path
from .world import world as running_world

_BOXES = 48
"""Accounts of the shared proxy, each given to one test; an account costs the proxy one PBKDF2 when it is first used."""

_TIME_LIMIT = 300
"""Seconds for each test here: the first one waits until all servers run, and some wait for real deadlines."""

StartProxy = Callable[..., Proxy]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(_TIME_LIMIT))


def _cannot(reason: str) -> NoReturn:
    """A missing program is a failure where everything was installed on purpose, and a loud skip elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """The OAuth server, Dovecot, and the sink, running."""
    if missing := missing_programs():
        _cannot("not installed: " + "; ".join(missing))
    with running_world() as running:
        yield running


@pytest.fixture
def program() -> Callable[[str], str]:
    """Find a mail client's program, or end the test."""

    def find(name: str) -> str:
        found = shutil.which(name, path=search_path())
        return found if found is not None else _cannot(f"{name} is not installed")

    return find


@pytest.fixture
def classic() -> str:
    """The classic proxy's command; ``nox -s e2e`` installs it and names it in EMAILPROXY_CLASSIC."""
    command = os.environ.get("EMAILPROXY_CLASSIC", "")
    return command if shutil.which(command) else _cannot("EMAILPROXY_CLASSIC does not name the classic proxy's command")


@pytest.fixture(scope="session")
def accounts(world: World) -> Accounts:
    return Accounts(world)


@pytest.fixture(scope="session")
def _boxes(accounts: Accounts) -> dict[str, dict[str, str]]:
    names = [f"user{number}@example.test" for number in range(1, _BOXES + 1)]
    return {name: accounts.authorised(name) for name in names}


@pytest.fixture(scope="session")
def proxy(
    world: World, _boxes: Mapping[str, Mapping[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """One proxy with nine listeners, and accounts that have logged in before; a test leaves it as it was."""
    shared = Proxy(world, tmp_path_factory.mktemp("shared"), listeners=all_listeners(), accounts=_boxes)
    try:
        shared.start("--debug")
        yield shared
    finally:
        shared.stop()


@pytest.fixture(scope="session")
def _unused(_boxes: Mapping[str, object]) -> Iterator[str]:
    return itertools.islice(_boxes, 1, None)


@pytest.fixture
def user() -> str:
    """An account of the shared proxy whose inbox is nobody's in particular."""
    return "user1@example.test"


@pytest.fixture
def box(_unused: Iterator[str]) -> str:
    """An account of the shared proxy whose inbox is this test's alone."""
    return next(_unused)


@pytest.fixture
def start_proxy(world: World, tmp_path: Path) -> Iterator[StartProxy]:
    """Start proxies of the test's own; they are ended, and their logs searched for secrets, after it."""
    started: list[Proxy] = []

    def start(
        accounts: Mapping[str, Mapping[str, str]],
        *arguments: str,
        listeners: Sequence[Listener] | None = None,
        settings: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Proxy:
        folder = tmp_path / f"proxy{len(started) + 1}"
        folder.mkdir()
        one = Proxy(world, folder, listeners=listeners, accounts=accounts, settings=settings)
        started.append(one)
        one.start(*arguments, **more)
        return one

    world.oauth.reset()
    yield start
    world.oauth.reset()
    for one in started:
        one.stop()
