"""The Google store while others write, die half-way, or delete."""

from __future__ import annotations

import dataclasses
from collections import deque

import pytest

from emailproxy.store.base import (
    StoreConflictError,
    StoreDeniedError,
)

from .conftest import cannot

try:
    from .gcp_fake import FakeSecretManager
    from .gcp_opened import FIRST, SECOND, THIRD, USER, Open, failing, fake, open_, port, quick, record_of
except ImportError as error:
    cannot(f"the SDK of Google's Secret Manager is not installed: {error}")

__all__ = ["fake", "open_", "port", "quick"]


def test_an_etag_that_went_stale_is_a_conflict_and_leaves_no_version(fake: FakeSecretManager, open_: Open) -> None:
    store, other = open_(), open_()
    version = store.save(USER, FIRST, None)
    fake.before["AddSecretVersion"] = deque([lambda: other.save(USER, SECOND, version)])
    with pytest.raises(StoreConflictError):
        store.save(USER, THIRD, version)
    assert record_of(store) == SECOND
    assert len(fake.only().enabled()) == 1


def test_two_create_at_once(fake: FakeSecretManager, open_: Open) -> None:
    store, other = open_(), open_()
    fake.before["CreateSecret"] = deque([lambda: other.save(USER, SECOND, None)])
    with pytest.raises(StoreConflictError):
        store.save(USER, FIRST, None)
    assert record_of(store) == SECOND
    assert fake.only().enabled() == [1]


def test_a_creation_that_was_left_unfinished_is_finished(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    fake.next("AddSecretVersion", failing("PERMISSION_DENIED"))
    with pytest.raises(StoreDeniedError):
        store.save(USER, FIRST, None)
    assert store.load(USER) is None
    assert store.accounts() == []
    store.save(USER, FIRST, None)
    assert record_of(store) == FIRST


def test_deleted_by_hand_is_absent_then_and_can_begin_anew(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.kept.clear()
    with pytest.raises(StoreConflictError):
        store.save(USER, FIRST, version)
    assert store.load(USER) is None
    # The same number, the same document, yet another secret: the old version must not pass for it.
    again = store.save(USER, FIRST, None)
    assert again != version
    with pytest.raises(StoreConflictError):
        store.save(USER, SECOND, version)
    assert record_of(store) == FIRST


def test_garbage_of_a_dead_replica_is_destroyed_with_the_next_write(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    version = store.save(USER, FIRST, None)
    kept = fake.only()
    kept.versions.append(dataclasses.replace(kept.versions[0]))
    store.save(USER, SECOND, version)
    assert kept.enabled() == [3]


def test_what_could_not_be_destroyed_is_said_and_tried_again(
    fake: FakeSecretManager, open_: Open, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.next("DestroySecretVersion", failing("PERMISSION_DENIED"))
    version = store.save(USER, SECOND, version)
    assert "old versions 1 of" in caplog.text
    assert "secretmanager.versions.destroy" in caplog.text
    assert fake.only().enabled() == [1, 2]
    store.save(USER, THIRD, version)
    assert fake.only().enabled() == [3]
