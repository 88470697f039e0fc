"""Virtual time jumps, but never while a thread is at work."""

from __future__ import annotations

import threading
import time

import pytest
import trio
import trio.testing

from .clocks import PatientClock


@pytest.fixture
def clock() -> PatientClock:
    return PatientClock()


async def test_ten_hours_of_sleep(clock: PatientClock) -> None:
    for _ in range(10):
        await trio.sleep(3600)
    assert trio.current_time() == 36_000


async def test_time_waits_for_a_thread(clock: PatientClock) -> None:
    with trio.move_on_after(600) as scope:
        await trio.to_thread.run_sync(time.sleep, 0.1)
        assert trio.current_time() == 0
        await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() == 600


async def test_time_may_pass_beside_a_thread_that_hangs(clock: PatientClock) -> None:
    clock.minds_threads = False
    gate = threading.Event()
    with trio.move_on_after(600) as scope:
        await trio.to_thread.run_sync(gate.wait, abandon_on_cancel=True)
    assert scope.cancelled_caught
    gate.set()


async def test_what_runs_goes_before_a_jump(clock: PatientClock) -> None:
    send, receive = trio.open_memory_channel[float](0)

    async def busy() -> None:
        async with send:
            for _ in range(100):
                await send.send(trio.current_time())
                await trio.testing.wait_all_tasks_blocked()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 60)
        nursery.start_soon(busy)
        assert {moment async for moment in receive} == {0}
    assert trio.current_time() == 60


async def test_a_jump_by_hand_ends_what_is_due(clock: PatientClock) -> None:
    async with trio.open_nursery() as nursery:
        with trio.CancelScope(deadline=10) as scope:
            clock.jump(11)
            await trio.sleep(0)
        assert scope.cancelled_caught
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 11
