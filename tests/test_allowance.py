"""How often a client may send that shows nothing."""

from __future__ import annotations

import trio

from emailproxy import allowance as module
from emailproxy.allowance import AT_ONCE, EVERY, Allowance
from tests.clocks import PatientClock


async def test_a_stack_at_once_then_one_in_a_while(autojump_clock: PatientClock) -> None:
    allowance = Allowance()
    assert [allowance.take("192.0.2.1") for _ in range(AT_ONCE + 2)] == [True] * AT_ONCE + [False] * 2
    assert allowance.take("192.0.2.2"), "others have their own"
    await trio.sleep(EVERY + 0.001)
    assert allowance.take("192.0.2.1")
    assert not allowance.take("192.0.2.1")
    await trio.sleep(EVERY * 1000)
    assert sum(allowance.take("192.0.2.1") for _ in range(100)) == AT_ONCE


async def test_memory_is_bounded(autojump_clock: PatientClock) -> None:
    allowance = Allowance()
    for number in range(module.CLIENTS + 10):
        allowance.take(str(number))
    assert len(allowance._buckets) == module.CLIENTS
    assert "0" not in allowance._buckets
