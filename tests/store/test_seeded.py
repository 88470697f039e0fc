"""A new store takes over what the configuration file holds, account by account, and never writes there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emailproxy.store.base import StoreConflictError, StoreError, StoreUnavailableError
from emailproxy.store.seeded import SeededStore
from emailproxy.testing.memory_store import MemoryStore
from emailproxy.testing.store_contract import EXAMPLE, StoreContract

ADA = "ada@example.com"
NEWER = replace(EXAMPLE, access_token="gAAAAABn-newer")


class TestContract(StoreContract):
    """With nothing to take over it is a store like any other."""

    def setup_method(self) -> None:
        self.store = MemoryStore()

    def open_store(self) -> SeededStore:
        return SeededStore(MemoryStore(self.store), MemoryStore())


@pytest.fixture
def seed() -> MemoryStore:
    seed = MemoryStore()
    seed.records[ADA] = EXAMPLE
    return seed


def test_a_record_of_the_seed_counts_until_the_store_has_one(seed: MemoryStore) -> None:
    store = MemoryStore()
    seeded = SeededStore(store, seed)
    stored = seeded.load(ADA)
    assert stored is not None
    assert stored.record == EXAMPLE
    version = seeded.save(ADA, NEWER, stored.version)
    after = seeded.load(ADA)
    assert after is not None
    assert (after.record, after.version) == (NEWER, version)
    assert store.records == {ADA: NEWER}
    assert (seed.records, seed.writes) == ({ADA: EXAMPLE}, 0)


def test_two_processes_do_not_take_over_the_same_record_twice(seed: MemoryStore) -> None:
    store = MemoryStore()
    one, other = SeededStore(store, seed), SeededStore(MemoryStore(store), seed)
    read, read_too = one.load(ADA), other.load(ADA)
    assert read is not None
    assert read_too is not None
    assert read.version == read_too.version
    one.save(ADA, NEWER, read.version)
    with pytest.raises(StoreConflictError):
        other.save(ADA, EXAMPLE, read_too.version)


def test_a_change_of_the_seed_is_a_new_version(seed: MemoryStore) -> None:
    seeded = SeededStore(MemoryStore(), seed)
    before = seeded.load(ADA)
    seed.records[ADA] = NEWER
    after = seeded.load(ADA)
    assert before is not None
    assert after is not None
    assert before.version != after.version


def test_a_store_that_cannot_tell_is_not_a_store_without_the_record(seed: MemoryStore) -> None:
    store = MemoryStore()
    store.read_failure = StoreUnavailableError("away")
    with pytest.raises(StoreUnavailableError):
        SeededStore(store, seed).load(ADA)
    seed.read_failure = StoreUnavailableError("away")
    with pytest.raises(StoreUnavailableError):
        SeededStore(MemoryStore(), seed).load("bob@example.com")


def test_nothing_is_deleted_that_the_seed_would_bring_back(seed: MemoryStore) -> None:
    store = MemoryStore()
    seeded = SeededStore(store, seed)
    for records in ({}, {ADA: NEWER}):
        store.records.update(records)
        with pytest.raises(
            StoreError, match=r"memory:: not deleted, because the record of ada@example.com in memory: "
        ):
            seeded.delete(ADA)
    assert (store.records, store.writes) == ({ADA: NEWER}, 0)
    assert (seed.records, seed.writes) == ({ADA: EXAMPLE}, 0)
    del seed.records[ADA]
    assert seeded.delete(ADA)
    assert not seeded.delete(ADA)


def test_a_seed_that_cannot_tell_deletes_nothing(seed: MemoryStore) -> None:
    store = MemoryStore()
    store.records["bob@example.com"] = EXAMPLE
    seed.read_failure = StoreUnavailableError("away")
    with pytest.raises(StoreUnavailableError):
        SeededStore(store, seed).delete("bob@example.com")
    assert store.records


def test_writes_cost_what_the_store_asks_for(seed: MemoryStore) -> None:
    store = MemoryStore()
    assert not SeededStore(store, seed).bills_writes
    store.bills_writes = True
    assert SeededStore(store, seed).bills_writes


def test_both_are_listed_and_the_address_is_the_store_s(seed: MemoryStore) -> None:
    store = MemoryStore()
    store.records |= {"bob@example.com": EXAMPLE, ADA: NEWER}
    seeded = SeededStore(store, seed)
    assert seeded.accounts() == [ADA, "bob@example.com"]
    assert seeded.address == "memory:"
    seeded.close()
    seeded.close()
