"""The Google store while the service's metadata is older than its versions."""

from __future__ import annotations

import dataclasses
from collections import deque

import pytest

from emailproxy.store.base import (
    StoreUnavailableError,
)

from .conftest import cannot

try:
    from .gcp_fake import FakeSecretManager
    from .gcp_opened import FIRST, SECOND, THIRD, USER, Open, fake, open_, port, quick, record_of
except ImportError as error:
    cannot(f"the SDK of Google's Secret Manager is not installed: {error}")

__all__ = ["fake", "open_", "port", "quick"]


def test_own_writes_are_seen_though_the_metadata_lags(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.lag = 1
    assert record_of(store) == FIRST
    version = store.save(USER, SECOND, version)
    version = store.save(USER, THIRD, version)
    stored = store.load(USER)
    assert stored is not None
    assert (stored.record, stored.version) == (THIRD, version)
    assert store.save(USER, THIRD, version) == version
    assert store.accounts() == [USER]


def test_a_creation_not_yet_visible_is_not_created_over(fake: FakeSecretManager, open_: Open) -> None:
    store, other = open_(), open_()
    store.save(USER, FIRST, None)
    fake.lag = 5
    with pytest.raises(StoreUnavailableError, match="just created"):
        other.save(USER, SECOND, None)
    assert fake.only().enabled() == [1]


def test_anothers_write_is_found_though_the_metadata_lags(fake: FakeSecretManager, open_: Open) -> None:
    store, other = open_(), open_()
    version = store.save(USER, FIRST, None)
    newer = other.save(USER, SECOND, version)
    fake.lag = 1
    stored = store.load(USER)
    assert stored is not None
    assert (stored.record, stored.version) == (SECOND, newer)
    # Its etag is not known here, so nothing can be written safely yet.
    with pytest.raises(StoreUnavailableError, match="does not show yet"):
        store.save(USER, THIRD, newer)
    fake.lag = 0
    store.save(USER, THIRD, newer)
    assert record_of(other) == THIRD


def test_a_stale_alias_and_two_candidates_cannot_be_told_apart(fake: FakeSecretManager, open_: Open) -> None:
    store, other = open_(), open_()
    version = store.save(USER, FIRST, None)
    other.save(USER, SECOND, version)
    kept = fake.only()
    kept.versions.append(dataclasses.replace(kept.versions[1]))
    fake.lag = 1
    with pytest.raises(StoreUnavailableError, match="which version is current"):
        store.load(USER)


def test_a_lag_that_ends_is_waited_for(fake: FakeSecretManager, open_: Open) -> None:
    store, other = open_(), open_()
    version = store.save(USER, FIRST, None)
    other.save(USER, SECOND, version)
    kept = fake.only()
    kept.versions.append(dataclasses.replace(kept.versions[1]))
    fake.lag = 1
    fake.before["GetSecret"] = deque([lambda: None, lambda: None, lambda: setattr(fake, "lag", 0)])
    assert record_of(store) == SECOND
