"""Who is sent away when, in virtual time."""

from __future__ import annotations

import trio

from emailproxy.config import Settings
from emailproxy.draining import GROUP, LOGIN_DRAIN, LOOK, drain
from emailproxy.failures import Failure, FailureKind
from tests.clocks import PatientClock


class FakeSession:
    def __init__(self, live: FakeListeners, *, logged_in: bool = True, busy_until: float = 0.0) -> None:
        self._live = live
        self.logged_in = logged_in
        self.busy_until = busy_until
        self.asked: float | None = None
        self.ended: float | None = None

    def is_resting(self) -> bool:
        if self.asked is None:
            self.asked = self._live.elapsed
        return self.logged_in and self._live.elapsed >= self.busy_until

    def end(self, failure: Failure) -> None:
        assert failure.kind is FailureKind.SHUTTING_DOWN
        assert self.ended is None, "told twice"
        self.ended = self._live.elapsed
        self._live.sessions.remove(self)


class FakeListeners:
    def __init__(self) -> None:
        self.began = trio.current_time()
        self.sessions: list[FakeSession] = []

    @property
    def elapsed(self) -> float:
        return round(trio.current_time() - self.began, 3)

    @property
    def live(self) -> int:
        return len(self.sessions)

    def add(self, *, logged_in: bool = True, busy_until: float = 0.0) -> FakeSession:
        session = FakeSession(self, logged_in=logged_in, busy_until=busy_until)
        self.sessions.append(session)
        return session

    def end_sessions(self, failure: Failure, *, logged_in: bool) -> None:
        for session in list(self.sessions):
            if logged_in or not session.logged_in:
                session.end(failure)


SETTINGS = Settings(drain=30, drain_grace=3)


async def test_each_goes_when_nothing_is_under_way(autojump_clock: PatientClock) -> None:
    live = FakeListeners()
    idle, busy, waiting = live.add(), live.add(busy_until=12.3), live.add(logged_in=False)
    endless = live.add(busy_until=1e9)
    await drain(live, SETTINGS, trio.Event())
    assert idle.ended == 3
    assert waiting.ended == LOGIN_DRAIN
    assert busy.ended is not None
    assert 12.3 <= busy.ended <= 12.3 + LOOK
    assert endless.ended == 30
    assert idle.asked == busy.asked == 0, "they are listened to from the first moment"


async def test_they_come_back_elsewhere_in_groups(autojump_clock: PatientClock) -> None:
    live = FakeListeners()
    all_of_them = [live.add() for _ in range(3 * GROUP)]
    await drain(live, SETTINGS, trio.Event())
    assert {session.ended for session in all_of_them} == {3, 3 + LOOK, 3 + 2 * LOOK}


async def test_nobody_waits_for_who_is_in_a_hurry(autojump_clock: PatientClock) -> None:
    live, hurrying = FakeListeners(), trio.Event()
    busy = live.add(busy_until=1e9)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain, live, SETTINGS, hurrying)
        await trio.sleep(1.1)
        hurrying.set()
    assert busy.ended == 1.1


async def test_a_grace_longer_than_the_drain(autojump_clock: PatientClock) -> None:
    live = FakeListeners()
    idle = live.add()
    await drain(live, Settings(drain=2, drain_grace=9), trio.Event())
    assert idle.ended == 2


async def test_without_a_session_there_is_nothing_to_wait_for(autojump_clock: PatientClock) -> None:
    live = FakeListeners()
    await drain(live, SETTINGS, trio.Event())
    assert live.elapsed == 0
