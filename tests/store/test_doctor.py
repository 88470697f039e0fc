"""Each kind of call is tried once, what stands in the way is told, and nothing is left behind without a word."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from emailproxy.store.base import (
    Record,
    StoreConflictError,
    Stored,
    StoreDeniedError,
    StoreError,
    StoreTooLargeError,
    StoreUnavailableError,
    Version,
)
from emailproxy.store.cached import CachedStore
from emailproxy.store.doctor import Finding, LeftBehind, Step, examine
from emailproxy.store.document import lasting
from emailproxy.testing.memory_store import MemoryStore


class Sick(MemoryStore):
    """A store in which some calls fail; `pick` gives the error of a call by its name and number."""

    def __init__(self, pick: Callable[[str, int], StoreError | None] = lambda _name, _number: None) -> None:
        super().__init__()
        self.pick = pick
        self.calls: dict[str, int] = {}

    def _maybe_fail(self, name: str) -> None:
        self.calls[name] = self.calls.get(name, 0) + 1
        if (error := self.pick(name, self.calls[name])) is not None:
            raise error

    def load(self, account: str) -> Stored | None:
        self._maybe_fail("load")
        return super().load(account)

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        self._maybe_fail("save")
        return super().save(account, lasting(record), expected)

    def delete(self, account: str) -> bool:
        self._maybe_fail("delete")
        return super().delete(account)

    def accounts(self) -> list[str]:
        self._maybe_fail("accounts")
        return super().accounts()


async def examined(store: MemoryStore) -> tuple[dict[Step, Finding], list[LeftBehind]]:
    told: list[Finding | LeftBehind] = []
    await examine(CachedStore(store), told.append)
    findings = {event.step: event for event in told if isinstance(event, Finding)}
    return findings, [event for event in told if isinstance(event, LeftBehind)]


def failing(name: str, error: StoreError) -> Sick:
    return Sick(lambda called, _number: error if called == name else None)


async def test_a_healthy_store_has_no_problem_and_no_probe_afterwards() -> None:
    store = Sick()
    findings, left = await examined(store)
    assert list(findings) == list(Step)
    assert not [finding for finding in findings.values() if finding.problem is not None]
    assert (store.records, left) == ({}, [])


@pytest.mark.parametrize(
    "error", [StoreDeniedError("denied"), StoreTooLargeError("large"), StoreUnavailableError("away")]
)
async def test_without_a_record_nothing_else_is_tried(error: StoreError) -> None:
    findings, left = await examined(failing("save", error))
    assert list(findings) == [Step.CREATE]
    assert findings[Step.CREATE].fails
    assert findings[Step.CREATE].problem == str(error)
    assert left == []


async def test_a_create_that_may_have_happened_is_cleaned_up() -> None:
    class Half(Sick):
        def save(self, account: str, record: Record, expected: Version | None) -> Version:
            super().save(account, record, expected)
            raise StoreUnavailableError("no answer")

    store = Half()
    assert await examined(store) == ({Step.CREATE: Finding(Step.CREATE, "no answer")}, [])
    assert store.records == {}
    undeletable = Half(lambda name, _number: StoreDeniedError("no") if name == "delete" else None)
    findings, left = await examined(undeletable)
    assert list(findings) == [Step.CREATE]
    assert [(event.account, event.certain) for event in left] == [(account, False) for account in undeletable.records]


async def test_what_only_some_need_does_not_fail_it() -> None:
    denied = StoreDeniedError("lacks the permission")
    store = Sick(lambda name, _number: denied if name in ("accounts", "delete") else None)
    findings, left = await examined(store)
    for step in (Step.LIST, Step.DELETE):
        assert findings[step].problem == "lacks the permission"
        assert "docs/stores.md" in findings[step].remedy
        assert not findings[step].fails
    assert not any(finding.fails for finding in findings.values())
    assert [event.account for event in left] == list(store.records)


async def test_a_list_that_lags_is_a_note() -> None:
    class Lagging(Sick):
        def accounts(self) -> list[str]:
            return []

    findings, _ = await examined(Lagging())
    assert findings[Step.LIST].problem is None
    assert "minutes" in findings[Step.LIST].note


async def test_a_store_that_takes_a_stale_version_fails() -> None:
    class Careless(Sick):
        def save(self, account: str, record: Record, expected: Version | None) -> Version:
            stored = MemoryStore.load(self, account)
            return super().save(account, record, stored.version if stored is not None else None)

    store = Careless()
    findings, _ = await examined(store)
    assert [step for step, finding in findings.items() if finding.fails] == [Step.CONFLICT]
    assert "stale version was accepted" in (findings[Step.CONFLICT].problem or "")
    assert store.records == {}


async def test_a_record_that_cannot_be_read_or_replaced() -> None:
    findings, _ = await examined(failing("load", StoreDeniedError("no reading")))
    assert findings[Step.READ].fails
    assert findings[Step.WRITE].fails
    store = Sick(lambda name, number: StoreDeniedError("no second") if (name, number) == ("save", 2) else None)
    findings, _ = await examined(store)
    assert [step for step, finding in findings.items() if finding.fails] == [Step.WRITE, Step.CONFLICT]
    assert store.records == {}


async def test_a_record_that_reads_back_differently() -> None:
    class Forgetful(Sick):
        def load(self, account: str) -> Stored | None:
            stored = super().load(account)
            return Stored(Record(), stored.version) if stored is not None else None

    findings, _ = await examined(Forgetful())
    assert "not what was written" in (findings[Step.READ].problem or "")


async def test_a_deletion_that_does_nothing_is_noticed() -> None:
    class Keeping(Sick):
        def delete(self, account: str) -> bool:
            return True

    store = Keeping()
    findings, left = await examined(store)
    assert "still read" in (findings[Step.DELETE].problem or "")
    assert [event.account for event in left] == list(store.records)


async def test_an_interruption_leaves_nothing_behind() -> None:
    store = Sick()
    with trio.CancelScope() as scope:

        def tell(event: Finding | LeftBehind) -> None:
            if isinstance(event, Finding) and event.step is Step.CREATE:
                assert store.records
                scope.cancel()

        await examine(CachedStore(store), tell)
    assert scope.cancelled_caught
    assert store.records == {}


async def test_a_conflict_at_the_first_write_is_a_failure() -> None:
    findings, _ = await examined(failing("save", StoreConflictError("taken")))
    assert findings[Step.CREATE].fails
