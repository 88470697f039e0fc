"""Who hears what the proxy does?"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from emailproxy.audience import NOBODY, Audience, Audiences

NAMES = [name for name, _ in inspect.getmembers(Audience, inspect.isfunction) if not name.startswith("_")]


class Recording:
    """Notes the name and arguments of every call."""

    def __init__(self, heard: list[tuple[object, ...]], name: str) -> None:
        self._heard = heard
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., None]:
        return lambda *arguments: self._heard.append((self._name, method, *arguments))


def arguments_of(name: str) -> list[object]:
    return [object() for _ in inspect.signature(getattr(NOBODY, name)).parameters]


def test_there_is_something_to_hear() -> None:
    assert {"session_opened", "session_closed", "login_finished", "listener_bound", "draining"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_all_listeners_hear_everything_in_their_order(name: str) -> None:
    heard: list[tuple[object, ...]] = []
    arguments = arguments_of(name)
    audience = Audiences(Recording(heard, "first"), Recording(heard, "second"))
    getattr(audience, name)(*arguments)
    assert heard == [("first", name, *arguments), ("second", name, *arguments)]


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_a_listener_to_everything(name: str) -> None:
    assert getattr(NOBODY, name)(*arguments_of(name)) is None
