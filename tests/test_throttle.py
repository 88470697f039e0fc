"""Guessing gets slower, a typing mistake costs nothing, nobody is locked out for others, and memory is bounded."""

from __future__ import annotations

import trio

from emailproxy.throttle import (
    CLIENTS,
    FREE_FAILURES,
    FREE_OF_NETWORK,
    LOCK_AFTER,
    LONGEST_DELAY,
    LOOK_EVERY,
    MEMORY,
    Throttle,
)
from tests.clocks import PatientClock

ADA, BOB = "ada@example.com", "bob@example.com"


async def test_delays_double_up_to_the_longest() -> None:
    throttle = Throttle()
    delays = [throttle.failed("192.0.2.1", ADA) for _ in range(FREE_FAILURES + 8)]
    assert delays == [0, 0, 0.5, 1, 2, 4, 8, 8, 8, 8]
    assert max(throttle.failed("192.0.2.1", ADA) for _ in range(2_000)) == LONGEST_DELAY


async def test_a_success_forgives_this_account_and_no_other() -> None:
    throttle = Throttle()
    for _ in range(9):
        throttle.failed("192.0.2.1", ADA)
        throttle.failed("192.0.2.1", BOB)
    throttle.succeeded("192.0.2.1", "ADA@example.com")
    throttle.succeeded("192.0.2.99", BOB)
    assert throttle.failed("192.0.2.1", ADA) == 0
    assert throttle.failed("192.0.2.1", BOB) == LONGEST_DELAY


async def test_time_forgives(autojump_clock: PatientClock) -> None:
    throttle = Throttle()
    for _ in range(LOCK_AFTER):
        throttle.failed("192.0.2.1", ADA)
    assert not throttle.admits("192.0.2.1", ADA)
    await trio.sleep(MEMORY + 1)
    assert throttle.admits("192.0.2.1", ADA)
    assert throttle.failed("192.0.2.1", ADA) == 0


async def test_one_password_on_many_accounts_is_slowed_as_well() -> None:
    throttle = Throttle()
    delays = [throttle.failed("192.0.2.1", f"user{number}@example.com") for number in range(FREE_OF_NETWORK + 8)]
    assert delays == [0] * FREE_OF_NETWORK + [0.5, 1, 2, 4, 8, 8, 8, 8]


async def test_a_success_does_not_hide_a_guesser_of_other_accounts() -> None:
    throttle = Throttle()
    for number in range(FREE_OF_NETWORK + 9):
        throttle.failed("192.0.2.1", f"user{number}@example.com")
        throttle.succeeded("192.0.2.1", ADA)
    assert throttle.failed("192.0.2.1", "another@example.com") == LONGEST_DELAY


async def test_only_the_guessing_address_is_locked_and_only_for_this_account() -> None:
    throttle = Throttle()
    for number in range(LOCK_AFTER * 50):
        throttle.failed(f"192.0.2.{number % 50}", ADA)
    assert not any(throttle.admits(f"192.0.2.{number}", ADA) for number in range(50))
    assert throttle.admits("198.51.100.1", ADA), "the owner comes from elsewhere"
    assert throttle.admits("192.0.2.7", BOB), "a colleague sits behind the same address"


async def test_a_locked_client_is_looked_at_now_and_then(autojump_clock: PatientClock) -> None:
    throttle = Throttle()
    for _ in range(LOCK_AFTER):
        throttle.failed("2001:db8::1", ADA)
    looks = 0
    for _ in range(600):
        await trio.sleep(0.1)
        looks += throttle.admits("2001:db8::2", ADA)
    assert 5 <= looks <= 60 / LOOK_EVERY
    await trio.sleep(LOOK_EVERY)
    assert throttle.admits("2001:db8::3", ADA)
    throttle.succeeded("2001:db8::3", ADA)
    assert all(throttle.admits("2001:db8::1", ADA) for _ in range(9)), "the right password ends it"


async def test_memory_is_bounded() -> None:
    throttle = Throttle()
    for number in range(CLIENTS + 500):
        throttle.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "x" * 8192)
    assert len(throttle._pairs.failures) == CLIENTS
    assert len(throttle._networks.failures) == CLIENTS
    assert max(len(name) for _, name in throttle._pairs.failures) <= 64
