"""Guessing gets slower, a typing mistake costs nothing, and memory is bounded."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from emailproxy.throttle import ADDRESSES, FREE_FAILURES, LONGEST_DELAY, MEMORY, Throttle


async def test_delays_double_up_to_the_longest() -> None:
    throttle = Throttle()
    delays = [throttle.failed("192.0.2.1") for _ in range(FREE_FAILURES + 8)]
    assert delays == [0, 0, 0.5, 1, 2, 4, 8, 8, 8, 8]
    assert max(throttle.failed("192.0.2.1") for _ in range(2_000)) == LONGEST_DELAY


async def test_a_success_forgives() -> None:
    throttle = Throttle()
    for _ in range(9):
        throttle.failed("192.0.2.1")
    throttle.succeeded("192.0.2.1")
    throttle.succeeded("192.0.2.99")
    assert throttle.failed("192.0.2.1") == 0


async def test_time_forgives(autojump_clock: MockClock) -> None:
    throttle = Throttle()
    for _ in range(9):
        throttle.failed("192.0.2.1")
    await trio.sleep(MEMORY + 1)
    assert throttle.failed("192.0.2.1") == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("not an address", "not an address", True),
    ],
)
async def test_who_counts_as_one(one: str, other: str, same: bool) -> None:
    throttle = Throttle()
    for _ in range(9):
        throttle.failed(one)
    assert (throttle.failed(other) > 0) is same


async def test_memory_is_bounded() -> None:
    throttle = Throttle()
    for number in range(ADDRESSES + 500):
        throttle.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(throttle._failures) == ADDRESSES
