"""Ready or not, and the status file of a running proxy."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
import trio

from emailproxy.config.model import Config, Settings
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.tokens import open_broker
from emailproxy.reporting import Reporter
from emailproxy.status import Presence, StatusFile, read_status, status_path
from emailproxy.store.base import StoreContentError, StoreDeniedError, StoreUnavailableError
from emailproxy.store.cached import CachedStore
from emailproxy.testing.memory_store import MemoryStore
from tests.clocks import PatientClock

from .oauth.support import ACCOUNT, EPOCH, FEW, PASSWORD, Provider, grant, now, refusal, sealed_record


@pytest.fixture
def clock() -> PatientClock:
    return PatientClock()


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("INFO"):
        yield


def config_of(path: Path) -> Config:
    return Config(path / "emailproxy.config", (), {ACCOUNT.name: ACCOUNT})


@asynccontextmanager
async def reporter(config: Config, store: MemoryStore, *answers: object) -> AsyncIterator[Reporter]:
    records = CachedStore(store)
    consents = Consents()
    async with open_broker(
        records=records,
        consents=consents,
        settings=Settings,
        transport=Provider(*answers),  # type: ignore[arg-type]
        iterations=FEW,
        now=now,
    ) as broker:
        yield Reporter(lambda: config, records, broker, consents, now)


async def test_ready_at_once(clock: PatientClock, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    async with reporter(config_of(tmp_path), store) as r:
        before = r.status
        await r.await_store()
        assert (before.ready, r.status.ready) == (False, True)
    assert caplog.messages == ["ready: memory: answers"]
    assert store.reads == 1


@pytest.mark.parametrize("error", [StoreUnavailableError("is down"), StoreDeniedError("lacks the permission get")])
async def test_not_ready_is_said_once_and_asked_again(
    clock: PatientClock, tmp_path: Path, caplog: pytest.LogCaptureFixture, error: StoreUnavailableError
) -> None:
    store = MemoryStore()
    store.read_failure = error
    async with reporter(config_of(tmp_path), store) as r, trio.open_nursery() as nursery:
        nursery.start_soon(r.await_store)
        await trio.sleep(600)
        assert caplog.messages == [f"not ready, trying again until the store answers: {error}"]
        assert (r.ready, r.status.ready, r.status.health.reachable) == (False, False, False)
        assert 10 <= store.reads <= 20
        store.read_failure = None
        await trio.sleep(60)
        assert (r.ready, r.status.health.reachable) == (True, True)
    assert caplog.messages[1:] == ["ready: memory: answers"]


async def test_another_reason_is_said_too(
    clock: PatientClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    store.read_failure = StoreUnavailableError("is down")
    async with reporter(config_of(tmp_path), store) as r, trio.open_nursery() as nursery:
        nursery.start_soon(r.await_store)
        await trio.sleep(10)
        store.read_failure = StoreDeniedError("lacks the permission get")
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert [m.rpartition(": ")[2] for m in caplog.messages] == ["is down", "lacks the permission get"]


async def test_one_foreign_record_does_not_stand_for_the_store(clock: PatientClock, tmp_path: Path) -> None:
    store = MemoryStore()
    store.read_failure = StoreContentError("not ours")
    async with reporter(config_of(tmp_path), store) as r:
        await r.await_store()
        assert r.ready


async def test_without_accounts_there_is_nothing_to_ask(clock: PatientClock, tmp_path: Path) -> None:
    store = MemoryStore()
    async with reporter(replace(config_of(tmp_path), accounts={}), store) as r:
        await r.await_store()
        assert (r.ready, store.reads) == (True, 0)


async def test_the_status_file(clock: PatientClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, store, writes = config_of(tmp_path), MemoryStore(), 0
    store.records[ACCOUNT.name] = sealed_record()
    write = StatusFile.write

    def counting(self: StatusFile, status: object) -> None:
        nonlocal writes
        writes += 1
        write(self, status)  # type: ignore[arg-type]

    monkeypatch.setattr(StatusFile, "write", counting)
    async with reporter(config, store, grant("fresh", "rotated")) as r, trio.open_nursery() as nursery:
        nursery.start_soon(r.keep_status)
        await trio.sleep(200)
        assert writes == 1, "nothing changed"
        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == inf, "nothing wakes an idle proxy"
        first = read_status(config.path)
        assert first.presence is Presence.RUNNING
        assert first.status is not None
        assert (first.status.store, first.status.ready, first.status.health.reachable) == ("memory:", False, None)
        store.write_failure = StoreUnavailableError("disk full")
        await r._broker.token(ACCOUNT, PASSWORD)
        await trio.sleep(2)
        told = read_status(config.path).status
        assert told is not None
        assert (told.health.reachable, told.health.last_error) == (False, "disk full")
        (entry,) = told.unsaved
        assert (entry.account, entry.error) == (ACCOUNT.name, "disk full")
        assert entry.since == pytest.approx(EPOCH + 200, abs=2)
        assert "fresh" not in status_path(config.path).read_text()
        store.write_failure = None
        await trio.sleep(10)
        mended = read_status(config.path).status
        assert mended is not None
        assert (mended.unsaved, mended.health.reachable) == ((), True)
        nursery.cancel_scope.cancel()
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_written_is_told_once(
    clock: PatientClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    config, store = config_of(tmp_path / "file"), MemoryStore()
    async with reporter(config, store) as r, trio.open_nursery() as nursery:
        nursery.start_soon(r.keep_status)
        await trio.sleep(200)
        nursery.cancel_scope.cancel()
    (message,) = caplog.messages
    assert message.startswith("no status file: ")
    assert caplog.records[0].levelname == "INFO"


async def test_two_proxies_with_one_configuration(
    clock: PatientClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, store = config_of(tmp_path), MemoryStore()
    first = StatusFile(config.path)
    async with reporter(config, store) as r, trio.open_nursery() as nursery:
        first.write(replace(r.status, pid=1))
        nursery.start_soon(r.keep_status)
        await trio.sleep(100)
        assert json.loads(status_path(config.path).read_text())["pid"] == 1
        assert "another proxy runs with this configuration" in caplog.text
        first.remove()
        await trio.sleep(100)
        assert json.loads(status_path(config.path).read_text())["pid"] == r.status.pid
        nursery.cancel_scope.cancel()


async def test_who_needs_a_person_is_in_the_status_without_the_address(clock: PatientClock, tmp_path: Path) -> None:
    store = MemoryStore()
    store.records[ACCOUNT.name] = sealed_record()
    dead = refusal("invalid_grant", error_description="AADSTS70043: the policy")
    async with reporter(config_of(tmp_path), store, dead) as r, trio.open_nursery() as nursery:
        with trio.move_on_after(30):
            await r._broker.token(ACCOUNT, PASSWORD)
        [waiting] = r.status.waiting
        assert (waiting.account, waiting.since is not None) == (ACCOUNT.name, True)
        assert "AADSTS70043" in waiting.reason
        assert "state=" not in repr(r.status)
        await trio.sleep(1000)
        [waiting] = r.status.waiting
        assert waiting.since is None, "nobody is asked any more, and it is needed all the same"
        nursery.cancel_scope.cancel()
