"""The store for tests keeps the contract too, and fails when it is told to."""

from __future__ import annotations

import pytest

from emailproxy.store.base import Record, StoreUnavailableError
from emailproxy.testing.memory_store import MemoryStore
from emailproxy.testing.store_contract import StoreContract


class TestContract(StoreContract):
    @pytest.fixture(autouse=True)
    def _place(self) -> None:
        self.first = MemoryStore()

    def open_store(self) -> MemoryStore:
        return MemoryStore(shared_with=self.first)


def test_fails_and_counts_on_demand() -> None:
    store = MemoryStore()
    store.save("user@example.com", Record(refresh_token="r"), None)
    store.read_failure = store.write_failure = StoreUnavailableError("memory: is down")
    with pytest.raises(StoreUnavailableError):
        store.load("user@example.com")
    with pytest.raises(StoreUnavailableError):
        store.accounts()
    with pytest.raises(StoreUnavailableError):
        store.save("other@example.com", Record(), None)
    assert (store.reads, store.writes) == (1, 2)
    assert list(store.records) == ["user@example.com"]
