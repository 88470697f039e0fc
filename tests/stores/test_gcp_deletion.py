"""The Google store when a record is deleted, while others write it or the service does not show it yet."""

from __future__ import annotations

from collections import deque

import pytest

from emailproxy.store.base import StoreConflictError, StoreContentError, StoreDeniedError, StoreUnavailableError

from .conftest import cannot

try:
    from .gcp_fake import Answer, FakeSecretManager
    from .gcp_opened import FIRST, SECOND, THIRD, USER, Open, failing, fake, lost, open_, port, quick, record_of
except ImportError as error:
    cannot(f"the SDK of Google's Secret Manager is not installed: {error}")

__all__ = ["fake", "open_", "port", "quick"]


def test_what_was_looked_at_is_what_is_deleted(fake: FakeSecretManager, open_: Open) -> None:
    store, other = open_(), open_()
    version = store.save(USER, FIRST, None)
    fake.calls.clear()
    # The other's write makes the etag stale; what it wrote is looked at, and deleted as well.
    fake.before["DeleteSecret"] = deque([lambda: other.save(USER, SECOND, version), lambda: None])
    assert store.delete(USER)
    assert fake.calls["DeleteSecret"] == 2
    assert fake.kept == {}
    assert other.load(USER) is None


def test_a_record_that_is_written_all_the_time_is_not_deleted(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    store.save(USER, FIRST, None)
    fake.denied["DeleteSecret"] = Answer(fake.stale_status)
    with pytest.raises(StoreUnavailableError, match="is being written; it was not deleted"):
        store.delete(USER)
    assert record_of(store) == FIRST


@pytest.mark.parametrize("content", [b"s3cret", b'{"v":1,"account":"other@example.com","record":{}}', b"\xff"])
def test_what_is_not_ours_is_not_deleted(fake: FakeSecretManager, open_: Open, content: bytes) -> None:
    open_().save(USER, FIRST, None)
    fake.only().versions[0].content = content
    with pytest.raises(StoreContentError):
        open_().delete(USER)
    assert fake.kept


def test_damage_can_be_deleted(fake: FakeSecretManager, open_: Open) -> None:
    open_().save(USER, FIRST, None)
    fake.only().versions[0].content = f'{{"v":1,"account":"{USER}","record":{{"token_iterations":"x"}}}}'.encode()
    assert open_().delete(USER)


def test_denied_names_the_permission(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    store.save(USER, FIRST, None)
    fake.denied["DeleteSecret"] = Answer("PERMISSION_DENIED", reason="IAM_PERMISSION_DENIED")
    with pytest.raises(StoreDeniedError, match=r"lacks the permission secretmanager\.secrets\.delete on projects/p"):
        store.delete(USER)
    assert record_of(store) == FIRST


def test_a_deletion_whose_answer_got_lost_was_one(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    store.save(USER, FIRST, None)
    fake.next("DeleteSecret", lost(), failing())
    assert store.delete(USER)
    assert not store.delete(USER)


def test_a_deletion_holds_though_the_metadata_lags(fake: FakeSecretManager, open_: Open) -> None:
    store, other = open_(), open_()
    version = store.save(USER, FIRST, None)
    assert record_of(other) == FIRST
    fake.lag = 1
    assert store.delete(USER)
    for one in (store, other, open_()):
        assert one.load(USER) is None
        with pytest.raises(StoreConflictError):
            one.save(USER, SECOND, version)
    # And it begins anew at once, lag or not.
    fresh = other.save(USER, THIRD, None)
    assert fresh != version
    assert record_of(other) == THIRD
    fake.lag = 0
    assert record_of(store) == THIRD


def test_a_record_that_was_saved_after_a_deletion_is_another(fake: FakeSecretManager, open_: Open) -> None:
    store, other = open_(), open_()
    old = store.save(USER, FIRST, None)
    assert record_of(other) == FIRST
    store.delete(USER)
    store.save(USER, FIRST, None)
    with pytest.raises(StoreConflictError):
        other.save(USER, SECOND, old)
    assert other.delete(USER)
    assert not store.delete(USER)
