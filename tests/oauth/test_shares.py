"""Nobody waits for more than a share of what others ask for."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from emailproxy.oauth import shares as module
from emailproxy.oauth.shares import OURS, Shares, TooManyChecksError
from tests.clocks import PatientClock

CHECK = 0.4


class Crowd:
    """Clients whose checks take `CHECK` seconds each; notes who was served in which order, and when."""

    def __init__(self, threads: int = 1) -> None:
        self.shares = Shares(threads)
        self.served: list[tuple[str, float]] = []
        self.refused = 0
        self.at_once = 0
        self.most_at_once = 0

    async def check(self, network: str) -> None:
        try:
            async with self.shares.turn(network):
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                await trio.sleep(CHECK)
                self.at_once -= 1
                self.served.append((network, trio.current_time()))
        except TooManyChecksError:
            self.refused += 1


async def test_one_client_with_many_checks_does_not_hold_up_another(autojump_clock: PatientClock) -> None:
    crowd = Crowd(threads=2)
    async with trio.open_nursery() as nursery:
        for _ in range(18):
            nursery.start_soon(crowd.check, "192.0.2.1")
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        nursery.start_soon(crowd.check, "198.51.100.1")
    mine = next(moment for network, moment in crowd.served if network == "198.51.100.1")
    assert mine - began <= 2 * CHECK + 0.01
    assert crowd.most_at_once == 2
    assert len(crowd.served) == 19


async def test_a_client_may_have_so_many_waiting_and_no_more(autojump_clock: PatientClock) -> None:
    crowd = Crowd()
    async with trio.open_nursery() as nursery:
        for _ in range(module.MAX_WAITING + 6):
            nursery.start_soon(crowd.check, "192.0.2.1")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(crowd.check, "198.51.100.1")
        nursery.start_soon(crowd.check, OURS)
    assert crowd.refused == 5, "one was served at once, the rest above the limit sent away"
    assert {network for network, _ in crowd.served} == {"192.0.2.1", "198.51.100.1", OURS}


async def test_a_proven_client_gets_every_other_turn_from_a_thousand_strangers(autojump_clock: PatientClock) -> None:
    crowd = Crowd()
    crowd.shares.prove("198.51.100.1")
    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(crowd.check, f"192.0.2.{number}")
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        for _ in range(3):
            nursery.start_soon(crowd.check, "198.51.100.1")
        await trio.sleep(CHECK * 8)
        waits = [moment - began for network, moment in crowd.served if network == "198.51.100.1"]
        assert len(waits) == 3
        assert len(crowd.served) >= 7, "strangers are served as well"
        nursery.cancel_scope.cancel()


async def test_whoever_leaves_the_queue_costs_no_turn(autojump_clock: PatientClock) -> None:
    crowd = Crowd()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(crowd.check, "192.0.2.1")
        await trio.testing.wait_all_tasks_blocked(0.0)
        with trio.move_on_after(CHECK / 2):
            await crowd.check("192.0.2.2")
        with trio.move_on_after(CHECK / 2) as scope:
            await crowd.check("192.0.2.2")
        assert scope.cancelled_caught or crowd.served
    with trio.fail_after(CHECK * 1.5):
        await crowd.check("192.0.2.3")
    assert not any(crowd.shares._queues)


async def test_a_cancelled_check_passes_its_turn_on(autojump_clock: PatientClock) -> None:
    crowd = Crowd()
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as first:
            nursery.start_soon(crowd.check, "192.0.2.2")
            await trio.sleep(CHECK / 4)
            first.cancel()
    with trio.fail_after(CHECK * 1.5):
        await crowd.check("192.0.2.3")


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PROVEN", 3)
    shares = Shares(1)
    for number in range(9):
        shares.prove(str(number))
    assert list(shares._proven) == ["6", "7", "8"]
