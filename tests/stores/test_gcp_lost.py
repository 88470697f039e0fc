"""The Google store when a call is carried out and its answer gets lost."""

from __future__ import annotations

from collections import deque

import pytest

from emailproxy.store.base import (
    StoreConflictError,
    StoreUnavailableError,
)

from .conftest import cannot

try:
    from .gcp_fake import FakeSecretManager
    from .gcp_opened import FIRST, SECOND, THIRD, USER, Open, failing, fake, lost, open_, port, quick, record_of
except ImportError as error:
    cannot(f"the SDK of Google's Secret Manager is not installed: {error}")

__all__ = ["fake", "open_", "port", "quick"]


def test_the_decisive_answer_lost_and_found(fake: FakeSecretManager, open_: Open) -> None:
    """The repeated call hits a stale etag, our own: the version must not be destroyed for that."""
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.next("UpdateSecret", lost())
    version = store.save(USER, SECOND, version)
    stored = store.load(USER)
    assert stored is not None
    assert (stored.record, stored.version) == (SECOND, version)
    assert fake.only().enabled() == [2]


def test_all_decisive_answers_lost(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.next("UpdateSecret", lost("DEADLINE_EXCEEDED"), failing(), failing())
    store.save(USER, SECOND, version)
    assert record_of(store) == SECOND


def test_the_decisive_answer_lost_and_the_metadata_lagging(fake: FakeSecretManager, open_: Open) -> None:
    """Nobody can know now; nothing may be destroyed, and later the truth shows."""
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.next("UpdateSecret", lost())
    fake.before["UpdateSecret"] = deque([lambda: setattr(fake, "lag", 1)])
    with pytest.raises(StoreUnavailableError, match="not known whether"):
        store.save(USER, SECOND, version)
    assert fake.only().enabled() == [1, 2]
    fake.lag = 0
    stored = store.load(USER)
    assert stored is not None
    assert stored.record == SECOND
    store.save(USER, THIRD, stored.version)
    assert record_of(store) == THIRD


def test_the_decisive_answer_lost_and_another_faster(fake: FakeSecretManager, open_: Open) -> None:
    store, other = open_(), open_()
    version = store.save(USER, FIRST, None)
    fake.next("UpdateSecret", failing())
    fake.before["UpdateSecret"] = deque([lambda: None, lambda: other.save(USER, THIRD, version), lambda: None])
    with pytest.raises(StoreConflictError):
        store.save(USER, SECOND, version)
    assert record_of(store) == THIRD
    assert fake.only().enabled() == [3]


def test_adding_lost_leaves_no_version_after_the_next_write(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.next("AddSecretVersion", lost())
    store.save(USER, SECOND, version)
    assert record_of(store) == SECOND
    assert fake.only().enabled() == [3]


def test_creating_lost(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    fake.next("CreateSecret", lost())
    store.save(USER, FIRST, None)
    assert record_of(store) == FIRST
