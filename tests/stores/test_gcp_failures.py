"""The Google store when the service refuses, throttles, or holds what is not ours."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from emailproxy.store.base import (
    StoreAddressError,
    StoreConflictError,
    StoreContentError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)
from emailproxy.testing.store_contract import EXAMPLE

from .conftest import cannot

try:
    from .gcp_fake import Answer, FakeSecretManager, Rule, State
    from .gcp_opened import FIRST, SECOND, USER, Open, failing, fake, open_, port, quick, record_of
except ImportError as error:
    cannot(f"the SDK of Google's Secret Manager is not installed: {error}")

__all__ = ["fake", "open_", "port", "quick"]


@pytest.mark.parametrize("status", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "DEADLINE_EXCEEDED"])
def test_what_passes_is_tried_again_twice(fake: FakeSecretManager, open_: Open, status: str) -> None:
    store = open_()
    store.save(USER, FIRST, None)
    fake.next("AccessSecretVersion", failing(status), failing(status))
    assert record_of(store) == FIRST
    fake.next("AccessSecretVersion", *[failing(status)] * 3)
    with pytest.raises(StoreUnavailableError, match=status):
        store.load(USER)


def test_the_wait_that_the_service_asks_for(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    store.save(USER, FIRST, None)
    fake.next("GetSecret", Rule(Answer("RESOURCE_EXHAUSTED", wait=0.4)))
    begin = time.monotonic()
    assert record_of(store) == FIRST
    assert time.monotonic() - begin >= 0.4
    # Longer than anybody waits: said at once.
    fake.next("GetSecret", Rule(Answer("RESOURCE_EXHAUSTED", wait=60)))
    begin = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="throttling get_secret"):
        store.load(USER)
    assert time.monotonic() - begin < 30
    # And no other call of the kind is made until then.
    asked = fake.calls["GetSecret"]
    with pytest.raises(StoreUnavailableError, match=r"throttling get_secret, and asks to wait (60|59) s more"):
        store.load("other@example.com")
    assert fake.calls["GetSecret"] == asked


@pytest.mark.parametrize(
    ("method", "permission", "action"),
    [
        ("GetSecret", "secretmanager.secrets.get", "load"),
        ("AccessSecretVersion", "secretmanager.versions.access", "load"),
        ("AddSecretVersion", "secretmanager.versions.add", "save"),
        ("UpdateSecret", "secretmanager.secrets.update", "save"),
        ("CreateSecret", "secretmanager.secrets.create", "create"),
        ("ListSecrets", "secretmanager.secrets.list", "list"),
    ],
)
def test_denied_names_the_permission_and_changes_nothing(
    fake: FakeSecretManager, open_: Open, method: str, permission: str, action: str
) -> None:
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.denied[method] = Answer("PERMISSION_DENIED", reason="IAM_PERMISSION_DENIED")
    does: dict[str, Callable[[], object]] = {
        "load": lambda: store.load(USER),
        "save": lambda: store.save(USER, SECOND, version),
        "create": lambda: store.save("other@example.com", SECOND, None),
        "list": store.accounts,
    }
    with pytest.raises(StoreDeniedError, match=f"lacks the permission {permission} on projects/p"):
        does[action]()
    fake.denied.clear()
    assert record_of(store) == FIRST
    assert fake.only().enabled() == [1]


def test_denied_names_the_permission_that_the_service_names(fake: FakeSecretManager, open_: Open) -> None:
    named = {"permission": "cloudkms.cryptoKeyVersions.useToDecrypt"}
    fake.denied["GetSecret"] = Answer("PERMISSION_DENIED", reason="IAM_PERMISSION_DENIED", metadata=named)
    with pytest.raises(StoreDeniedError, match=r"the permission cloudkms\.cryptoKeyVersions\.useToDecrypt"):
        open_().load(USER)
    fake.denied["GetSecret"] = Answer("PERMISSION_DENIED", reason="SERVICE_DISABLED")
    with pytest.raises(StoreDeniedError, match="API is not enabled"):
        open_().load(USER)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("NOT_FOUND", StoreAddressError),
        ("INVALID_ARGUMENT", StoreAddressError),
        ("FAILED_PRECONDITION", StoreDeniedError),
        ("UNAUTHENTICATED", StoreDeniedError),
        ("UNIMPLEMENTED", StoreUnavailableError),
        ("DATA_LOSS", StoreUnavailableError),
    ],
)
def test_other_statuses(fake: FakeSecretManager, open_: Open, status: str, kind: type[StoreError]) -> None:
    fake.denied["CreateSecret"] = Answer(status)
    with pytest.raises(kind, match=status) as raised:
        open_().save(USER, EXAMPLE, None)
    assert type(raised.value) is kind
    assert "the fake says" not in str(raised.value)


def test_a_version_disabled_or_destroyed_by_hand_is_no_absent_record(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.only().versions[0].state = State.DISABLED
    for state in (State.DISABLED, State.DESTROYED):
        fake.only().versions[0].state = state
        with pytest.raises(StoreContentError, match=r"version 1 of .* is disabled or destroyed"):
            store.load(USER)
    with pytest.raises(StoreConflictError):
        store.save(USER, SECOND, None)
    with pytest.raises(StoreError):
        open_().save(USER, FIRST, version)
    assert len(fake.only().versions) == 1


@pytest.mark.parametrize(
    "content", [b"not ours", b"\xff\xfe", b"[]", b'{"v":3,"account":"user@example.com","record":{}}']
)
def test_foreign_content_is_left_as_it_is(
    fake: FakeSecretManager, open_: Open, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_()
    store.save(USER, FIRST, None)
    store.save("other@example.com", FIRST, None)
    fake.kept[next(iter(fake.kept))].versions[0].content = content
    with pytest.raises(StoreContentError) as raised:
        store.load(USER)
    assert repr(content)[2:-1] not in str(raised.value)
    with pytest.raises(StoreConflictError):
        store.save(USER, SECOND, None)
    assert fake.kept[next(iter(fake.kept))].versions[0].content == content
    assert store.accounts() == ["other@example.com"]
    assert "WARNING" in caplog.text


def test_without_etags_nothing_is_written(fake: FakeSecretManager, open_: Open) -> None:
    fake.etags = False
    store = open_()
    with pytest.raises(StoreUnavailableError, match="no etag"):
        store.save(USER, FIRST, None)
    assert fake.only().versions == []
