"""The simulated provider rotates and revokes as it should, and the ledger tells what happened."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from emailproxy.store.base import StoreConflictError
from emailproxy.testing.memory_store import MemoryStore
from emailproxy.testing.store_contract import EXAMPLE
from tests.stores.simulation.ledger import Ledger, Witness, read_ledger
from tests.stores.simulation.rotation import Behaviour, RefusedError, Rotation

USER = "user@example.com"


def granted(behaviour: Behaviour, grace: float = 0.0) -> tuple[Rotation, str]:
    rotation = Rotation()
    return rotation, rotation.grant(USER, behaviour, grace, 0.0)


def test_a_refresh_gives_a_new_token_to_its_client() -> None:
    rotation, first = granted(Behaviour.REVOKES)
    second = rotation.refresh(first, "1-1", 1.0)
    assert second != first
    assert rotation.grants[USER].latest == second
    assert rotation.grants[USER].holders == {"1-1"}
    assert rotation.refreshes == {USER: 1}


def test_a_replay_revokes_the_grant_for_everybody() -> None:
    rotation, first = granted(Behaviour.REVOKES)
    second = rotation.refresh(first, "1-1", 1.0)
    with pytest.raises(RefusedError):
        rotation.refresh(first, "2-1", 1.0)
    assert rotation.grants[USER].revoked
    with pytest.raises(RefusedError):
        rotation.refresh(second, "1-1", 1.0)
    assert not rotation.usable(second, 1.0)


def test_a_used_token_may_be_refused_and_no_more() -> None:
    rotation, first = granted(Behaviour.INVALID)
    second = rotation.refresh(first, "1-1", 1.0)
    with pytest.raises(RefusedError):
        rotation.refresh(first, "2-1", 1.0)
    assert not rotation.grants[USER].revoked
    assert rotation.refresh(second, "1-1", 1.0)


def test_a_used_token_may_stay_valid() -> None:
    rotation, first = granted(Behaviour.STAYS_VALID)
    rotation.refresh(first, "1-1", 1.0)
    assert rotation.usable(first, 1.0)
    assert rotation.refresh(first, "2-1", 1.0)


def test_within_the_grace_the_latest_used_token_gets_its_successor_again() -> None:
    rotation, first = granted(Behaviour.REVOKES, grace=10.0)
    second = rotation.refresh(first, "1-1", 1.0)
    assert rotation.refresh(first, "2-1", 11.0) == second
    assert rotation.grants[USER].holders == {"1-1", "2-1"}
    with pytest.raises(RefusedError):
        rotation.refresh(first, "3-1", 11.1)


def test_the_grace_ends_when_the_successor_is_used() -> None:
    rotation, first = granted(Behaviour.REVOKES, grace=10.0)
    rotation.refresh(rotation.refresh(first, "1-1", 1.0), "1-1", 1.0)
    with pytest.raises(RefusedError):
        rotation.refresh(first, "2-1", 1.0)
    assert rotation.grants[USER].revoked


def test_the_ledger_outlives_the_process_and_tells_saves_conflicts_and_foreign_turns(tmp_path: Path) -> None:
    path = tmp_path / "1-1.ledger"
    store = MemoryStore()
    witness = Witness(store, Ledger(path))
    mine = replace(EXAMPLE, lease_owner="me", lease_until=int(time.time()) + 60)
    version = witness.save(USER, mine, None)
    witness.load(USER)  # our own turn is in nobody's way
    with pytest.raises(StoreConflictError):
        witness.save(USER, EXAMPLE, None)
    store.save(USER, replace(mine, lease_owner="another"), version)
    witness.load(USER)
    events = [(event, detail) for event, _, detail in read_ledger(path) if event != "seconds"]
    assert events == [("saved", EXAMPLE.refresh_token), ("conflict", ""), ("busy", "another")]
