"""A wait that was asked for holds for its kind of call, and not for ever."""

from __future__ import annotations

import time

import pytest

from emailproxy_backends import throttling
from emailproxy_backends.throttling import Throttle


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_the_longest_wait_counts_until_it_has_passed(now: list[float]) -> None:
    throttle = Throttle()
    assert throttle.left("read") == 0
    throttle.asked("read", 20)
    throttle.asked("read", 5)
    now[0] += 8
    assert throttle.left("read") == 12
    assert throttle.left("written") == 0
    now[0] += 13
    assert throttle.left("read") == 0
    throttle.asked("read", 5)
    assert throttle.left("read") == 5


def test_nobody_stops_us_for_a_day(now: list[float]) -> None:
    throttle = Throttle()
    throttle.asked("read", 86_400)
    assert throttle.left("read") == throttling.MAX_SECONDS
