"""The async face: one read for many, deadlines, the last good answer, and writes that finish."""

from __future__ import annotations

import logging
import threading

import pytest
import trio
import trio.testing

from emailproxy.store import cached
from emailproxy.store.base import (
    Record,
    StoreConflictError,
    Stored,
    StoreDeniedError,
    StoreUnavailableError,
    Version,
)
from emailproxy.store.cached import CachedStore
from emailproxy.store.health import StoreHealth
from emailproxy.testing.memory_store import MemoryStore
from tests.clocks import PatientClock
from tests.patience import HANG

USER = "user@example.com"
DOWN = StoreUnavailableError("memory: is down")


class GatedStore(MemoryStore):
    """A store whose calls wait, in their thread, until the gate is opened."""

    blocks = True

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.write_gate = self.gate
        self.begun = threading.Semaphore(0)
        self.closed = 0

    def load(self, account: str) -> Stored | None:
        stored = super().load(account)
        self.begun.release()
        assert self.gate.wait(HANG)
        return stored

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        self.begun.release()
        assert self.write_gate.wait(HANG)
        return super().save(account, record, expected)

    def delete(self, account: str) -> bool:
        self.begun.release()
        assert self.write_gate.wait(HANG)
        return super().delete(account)

    def close(self) -> None:
        self.closed += 1

    async def until_begun(self) -> None:
        assert await trio.to_thread.run_sync(lambda: self.begun.acquire(timeout=HANG))


async def test_loads_saves_and_lists() -> None:
    store = CachedStore(GatedStore())
    assert await store.load(USER) is None
    version = await store.save(USER, Record(refresh_token="r"), None)
    assert await store.load(USER) == Stored(Record(refresh_token="r"), version)
    assert await store.load_fresh(USER) == Stored(Record(refresh_token="r"), version)
    assert await store.accounts() == [USER]
    assert store.address == "memory:"
    assert repr(store) == "<CachedStore memory:>"


async def test_every_load_asks_the_store() -> None:
    inner = MemoryStore()
    store = CachedStore(inner)
    await store.load(USER)
    inner.records[USER] = Record(refresh_token="by another process")
    stored = await store.load(USER)
    assert stored is not None
    assert stored.record.refresh_token == "by another process"


class TestTogether:
    async def test_loads_at_the_same_time_are_one_read(self) -> None:
        inner = GatedStore()
        inner.records[USER] = Record(refresh_token="r")
        inner.gate.clear()
        store = CachedStore(inner)
        answers = []

        async def load() -> None:
            answers.append(await store.load(USER))

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(load)
            await inner.until_begun()
            inner.gate.set()
        assert inner.reads == 1
        assert len(answers) == 10
        assert all(answer is not None and answer.record.refresh_token == "r" for answer in answers)

    async def test_different_accounts_do_not_wait_for_each_other(self) -> None:
        inner = GatedStore()
        inner.gate.clear()
        store = CachedStore(inner)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.load, USER)
            nursery.start_soon(store.load, "other@example.com")
            await inner.until_begun()
            await inner.until_begun()
            inner.gate.set()

    async def test_a_failure_is_shared(self) -> None:
        inner = GatedStore()
        inner.read_failure = DOWN
        store = CachedStore(inner)
        failures = []

        async def load() -> None:
            try:
                await store.load(USER)
            except StoreUnavailableError as error:
                failures.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(load)
        assert len(failures) == 3

    async def test_when_the_reader_is_cancelled_another_reads(self) -> None:
        inner = GatedStore()
        inner.gate.clear()
        store = CachedStore(inner)
        answers = []

        async def load() -> None:
            answers.append(await store.load(USER))

        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as first:
                first.start_soon(store.load, USER)
                await inner.until_begun()
                nursery.start_soon(load)
                await trio.testing.wait_all_tasks_blocked()
                first.cancel_scope.cancel()
            await inner.until_begun()
            inner.gate.set()
        assert answers == [None]
        assert inner.reads == 2

    async def test_a_read_after_a_save_is_not_one_from_before(self) -> None:
        inner = GatedStore()
        inner.gate.clear()
        inner.write_gate = threading.Event()
        inner.write_gate.set()
        store = CachedStore(inner)
        early: list[Stored | None] = []
        late: list[Stored | None] = []

        async def load(answers: list[Stored | None]) -> None:
            answers.append(await store.load(USER))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(load, early)
            await inner.until_begun()  # it has seen that there is nothing, and is still under way
            await store.save(USER, Record(refresh_token="new"), None)
            await inner.until_begun()
            nursery.start_soon(load, late)
            await inner.until_begun()
            inner.gate.set()
        assert early == [None]
        assert [stored and stored.record.refresh_token for stored in late] == ["new"]

    async def test_a_read_from_before_a_save_is_not_the_last_good_answer(self) -> None:
        inner = GatedStore()
        inner.gate.clear()
        inner.write_gate = threading.Event()
        inner.write_gate.set()
        store = CachedStore(inner)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.load, USER)
            await inner.until_begun()
            await store.save(USER, Record(refresh_token="new"), None)
            inner.gate.set()
        inner.read_failure = DOWN
        stored = await store.load(USER)
        assert stored is not None
        assert stored.record.refresh_token == "new"


class TestLastGood:
    async def test_serves_when_a_read_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        inner = MemoryStore()
        store = CachedStore(inner)
        version = await store.save(USER, Record(refresh_token="s3cret"), None)
        inner.read_failure = DOWN
        with caplog.at_level(logging.WARNING, "emailproxy.store"):
            assert await store.load(USER) == Stored(Record(refresh_token="s3cret"), version)
        assert "using what was last read for user@example.com (memory: is down)" in caplog.text
        assert "s3cret" not in caplog.text

    async def test_absence_is_an_answer_too(self) -> None:
        inner = MemoryStore()
        store = CachedStore(inner)
        await store.load(USER)
        inner.read_failure = StoreDeniedError("memory: is locked")
        assert await store.load(USER) is None

    async def test_without_one_the_failure_is_told(self) -> None:
        inner = MemoryStore()
        inner.read_failure = DOWN
        with pytest.raises(StoreUnavailableError):
            await CachedStore(inner).load(USER)

    async def test_a_fresh_load_never_uses_it(self) -> None:
        inner = MemoryStore()
        store = CachedStore(inner)
        await store.load(USER)
        inner.read_failure = DOWN
        with pytest.raises(StoreUnavailableError):
            await store.load_fresh(USER)

    async def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cached, "REMEMBERED", 2)
        inner = MemoryStore()
        store = CachedStore(inner)
        for name in ("a@example.com", "b@example.com", "a@example.com", "c@example.com"):
            await store.load(name)
        inner.read_failure = DOWN
        for name in ("a@example.com", "c@example.com"):
            assert await store.load(name) is None
        with pytest.raises(StoreUnavailableError):
            await store.load("b@example.com")


class TestSave:
    async def test_a_failed_read_never_leads_to_a_write(self) -> None:
        inner = MemoryStore()
        store = CachedStore(inner)
        version = await store.save(USER, Record(refresh_token="old"), None)
        inner.read_failure = DOWN
        await store.load(USER)
        with pytest.raises(StoreUnavailableError):
            await store.save(USER, Record(refresh_token="new"), version)
        assert inner.writes == 1
        inner.read_failure = None
        await store.save(USER, Record(refresh_token="new"), version)

    async def test_after_a_failed_read_a_changed_record_is_a_conflict(self) -> None:
        inner = MemoryStore()
        store = CachedStore(inner)
        version = await store.save(USER, Record(refresh_token="old"), None)
        inner.read_failure = DOWN
        await store.load(USER)
        inner.read_failure = None
        inner.records[USER] = Record(refresh_token="by another process")
        with pytest.raises(StoreConflictError):
            await store.save(USER, Record(refresh_token="new"), version)
        assert inner.writes == 1

    async def test_conflict_and_recovery(self) -> None:
        inner = MemoryStore()
        store = CachedStore(inner)
        await store.save(USER, Record(refresh_token="old"), None)
        with pytest.raises(StoreConflictError):
            await store.save(USER, Record(refresh_token="new"), None)
        stored = await store.load_fresh(USER)
        assert stored is not None
        await store.save(USER, Record(refresh_token="new"), stored.version)

    async def test_is_not_cancelled(self) -> None:
        inner = GatedStore()
        inner.gate.clear()
        store = CachedStore(inner)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.save, USER, Record(refresh_token="r"), None)
            await inner.until_begun()
            nursery.cancel_scope.cancel()
            inner.gate.set()
        assert inner.records == {USER: Record(refresh_token="r")}


class TestDelete:
    async def test_what_was_deleted_is_the_last_good_answer(self) -> None:
        inner = GatedStore()
        store = CachedStore(inner)
        old = await store.save(USER, Record(refresh_token="r"), None)
        assert await store.delete(USER)
        assert not await store.delete(USER)
        assert await store.load_fresh(USER) is None
        inner.read_failure = DOWN
        assert await store.load(USER) is None
        inner.read_failure = None
        with pytest.raises(StoreConflictError):
            await store.save(USER, Record(refresh_token="r"), old)

    async def test_a_read_from_before_is_not_the_last_good_answer(self) -> None:
        inner = GatedStore()
        inner.records[USER] = Record(refresh_token="old")
        inner.gate.clear()
        inner.write_gate = threading.Event()
        inner.write_gate.set()
        store = CachedStore(inner)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.load, USER)
            await inner.until_begun()
            await store.delete(USER)
            inner.gate.set()
        inner.read_failure = DOWN
        assert await store.load(USER) is None

    async def test_is_not_cancelled(self) -> None:
        inner = GatedStore()
        inner.records[USER] = Record(refresh_token="r")
        inner.gate.clear()
        store = CachedStore(inner)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.delete, USER)
            await inner.until_begun()
            nursery.cancel_scope.cancel()
            inner.gate.set()
        assert inner.records == {}

    async def test_after_a_failure_a_save_reads_first(self) -> None:
        inner = MemoryStore()
        store = CachedStore(inner)
        version = await store.save(USER, Record(refresh_token="r"), None)
        inner.write_failure = DOWN
        with pytest.raises(StoreUnavailableError):
            await store.delete(USER)
        inner.write_failure = None
        del inner.records[USER]  # it happened after all
        with pytest.raises(StoreConflictError):
            await store.save(USER, Record(refresh_token="newer"), version)

    async def test_has_the_deadline_of_a_write(self, autojump_clock: PatientClock) -> None:
        autojump_clock.minds_threads = False
        inner = GatedStore()
        inner.gate.clear()
        began = trio.current_time()
        with pytest.raises(StoreUnavailableError, match="no answer to a deletion within 15 s"):
            await CachedStore(inner).delete(USER)
        assert trio.current_time() - began == pytest.approx(cached.WRITE_DEADLINE)
        inner.gate.set()


async def test_says_whether_writes_are_billed() -> None:
    inner = MemoryStore()
    assert not CachedStore(inner).bills_writes
    inner.bills_writes = True
    assert CachedStore(inner).bills_writes
    assert not CachedStore(object()).bills_writes  # type: ignore[arg-type]


class TestDeadlines:
    """The clock jumps whenever every task waits, though a thread hangs."""

    async def test_read(self, autojump_clock: PatientClock) -> None:
        autojump_clock.minds_threads = False
        inner = GatedStore()
        inner.gate.clear()
        began = trio.current_time()
        with pytest.raises(StoreUnavailableError, match="memory:: no answer to a read within 10 s"):
            await CachedStore(inner).load(USER)
        assert trio.current_time() - began == pytest.approx(cached.READ_DEADLINE)
        inner.gate.set()

    async def test_write_whose_outcome_is_unknown(self, autojump_clock: PatientClock) -> None:
        autojump_clock.minds_threads = False
        inner = GatedStore()
        store = CachedStore(inner)
        inner.gate.clear()
        began = trio.current_time()
        with pytest.raises(StoreUnavailableError, match="no answer to a write within 15 s"):
            await store.save(USER, Record(refresh_token="late"), None)
        assert trio.current_time() - began == pytest.approx(cached.WRITE_DEADLINE)
        autojump_clock.minds_threads = True
        inner.gate.set()
        while not inner.records:
            await trio.to_thread.run_sync(lambda: None)
        # The next save finds out first.
        with pytest.raises(StoreConflictError):
            await store.save(USER, Record(refresh_token="newer"), None)
        assert inner.writes == 1

    async def test_hanging_reads_leave_room_for_a_write(self, autojump_clock: PatientClock) -> None:
        autojump_clock.minds_threads = False
        inner = GatedStore()
        inner.gate.clear()
        inner.write_gate = threading.Event()
        inner.write_gate.set()
        store = CachedStore(inner)
        async with trio.open_nursery() as nursery:

            async def load(number: int) -> None:
                with pytest.raises(StoreUnavailableError):
                    await store.load(f"{number}@example.com")

            for number in range(cached.READERS + 2):
                nursery.start_soon(load, number)
        autojump_clock.minds_threads = True  # without room for it the write would wait for ever
        await store.save(USER, Record(refresh_token="r"), None)
        assert USER in inner.records
        inner.gate.set()


async def test_a_store_that_never_blocks_needs_no_thread(autojump_clock: PatientClock) -> None:
    autojump_clock.minds_threads = False  # time passes while one works
    store = CachedStore(MemoryStore())
    await store.save(USER, Record(refresh_token="r"), None)
    began = trio.current_time()
    with trio.fail_after(1):
        for _ in range(100):
            await store.load(USER)
    assert trio.current_time() == pytest.approx(began, abs=0.5)


async def test_close_twice_even_when_cancelled() -> None:
    inner = GatedStore()
    store = CachedStore(inner)
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.aclose()
    await store.aclose()
    assert inner.closed == 1


async def test_names_that_strangers_choose_are_not_kept_for_ever(
    autojump_clock: PatientClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a catch-all account anybody can ask for any name, here while the store is down."""
    monkeypatch.setattr(cached, "REMEMBERED", 10)

    class Down(MemoryStore):
        def load(self, account: str) -> Stored | None:
            raise DOWN

    store = CachedStore(Down())
    for number in range(100):
        with pytest.raises(StoreUnavailableError):
            await store.load(f"{number}@example.com")
    assert list(store._unsure) == [f"{number}@example.com" for number in range(90, 100)]


async def test_health(autojump_clock: PatientClock) -> None:
    memory = MemoryStore()
    store = CachedStore(memory)
    assert store.health == StoreHealth()
    version = await store.save(USER, Record(refresh_token="1"), None)
    await store.load(USER)
    healthy = store.health
    assert (healthy.reachable, healthy.reads, healthy.writes, healthy.failures) == (True, 1, 1, 0)
    memory.read_failure = DOWN
    await store.load(USER)  # the last good answer
    memory.write_failure = StoreDeniedError("lacks the permission")
    with pytest.raises(StoreUnavailableError):
        await store.save(USER, Record(refresh_token="2"), version)
    memory.read_failure = None
    with pytest.raises(StoreDeniedError):
        await store.save(USER, Record(refresh_token="2"), version)
    ill = store.health
    assert (ill.reachable, ill.last_error, ill.reads, ill.writes, ill.failures) == (
        False,
        "lacks the permission",
        4,
        2,
        3,
    )
    memory.write_failure = None
    with pytest.raises(StoreConflictError):
        await store.save(USER, Record(refresh_token="2"), Version("stale"))
    await store.aclose()
    mended = store.health
    assert (mended.reachable, mended.last_error, mended.writes) == (True, None, 2)
