from __future__ import annotations

import pytest
import trio
import trio.testing

from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.oauth.flights import Flights
from emailproxy.oauth.opened import AccessToken
from emailproxy.secret import Secret
from tests.clocks import PatientClock

TOKEN = AccessToken(Secret("token"), 1.0)


async def test_waiters_share_one_flight_and_it_ends(autojump_clock: PatientClock) -> None:
    count = 0

    async def work() -> AccessToken:
        nonlocal count
        count += 1
        await trio.sleep(1)
        return TOKEN

    async with trio.open_nursery() as nursery:
        flights = Flights(nursery)
        first, second = flights.join("k", work), flights.join("k", work)
        assert first is second
        assert await first.wait() is TOKEN
        await trio.testing.wait_all_tasks_blocked()
        assert flights.join("k", work) is not first
        assert await flights.join("other", work).wait() is TOKEN
    assert count == 3


async def test_each_waiter_gets_an_exception_of_its_own() -> None:
    async def work() -> AccessToken:
        raise LoginFailed(Failure(FailureKind.TEMPORARY, "later", "why"))

    caught: list[LoginFailed] = []
    async with trio.open_nursery() as nursery:
        flight = Flights(nursery).join("k", work)
        for _ in range(2):
            with pytest.raises(LoginFailed) as info:
                await flight.wait()
            caught.append(info.value)
    assert caught[0] is not caught[1]
    assert caught[0].failure is caught[1].failure


async def test_a_fault_of_ours_ends_the_waiters_not_the_nursery(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> AccessToken:
        raise ZeroDivisionError

    async with trio.open_nursery() as nursery:
        with pytest.raises(RuntimeError, match="fault in the proxy"):
            await Flights(nursery).join("k", work).wait()
        await trio.testing.wait_all_tasks_blocked()
    assert "ZeroDivisionError" in caplog.text


async def test_closing_tells_those_who_wait() -> None:
    kinds: list[FailureKind] = []
    async with trio.open_nursery() as waiters, trio.open_nursery() as nursery:
        flight = Flights(nursery).join("k", trio.sleep_forever)

        async def wait() -> None:
            with pytest.raises(LoginFailed) as info:
                await flight.wait()
            kinds.append(info.value.failure.kind)

        waiters.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert kinds == [FailureKind.SHUTTING_DOWN]
