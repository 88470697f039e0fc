"""What does the Google store keep, where, and with how many calls?"""

from __future__ import annotations

import dataclasses
import json

import pytest

from emailproxy.store.base import (
    Record,
    StoreConflictError,
    StoreTooLargeError,
)
from emailproxy.testing.store_contract import EXAMPLE

from .conftest import cannot

try:
    from .gcp_fake import FakeSecretManager
    from .gcp_opened import FIRST, SECOND, USER, Open, fake, open_, port, quick, record_of
except ImportError as error:
    cannot(f"the SDK of Google's Secret Manager is not installed: {error}")

__all__ = ["fake", "open_", "port", "quick"]


def test_the_secret_tells_nothing_and_the_document_little(fake: FakeSecretManager, open_: Open) -> None:
    open_().save(USER, EXAMPLE, None)
    kept = fake.only()
    described = str(kept.secret)
    assert "user" not in described.lower()
    assert "example" not in described
    assert kept.secret.name.startswith("projects/p/secrets/mail-")
    assert kept.secret._pb.replication.WhichOneof("replication") == "automatic"
    document = json.loads(kept.versions[0].content)
    assert document["account"] == USER
    assert "access_token" not in document["record"]


def test_new_secrets_go_where_the_address_says(fake: FakeSecretManager, open_: Open) -> None:
    key = "projects/p/locations/{}/keyRings/r/cryptoKeys/k"
    west, north = key.format("europe-west3"), key.format("europe-north1")
    open_(options=f"&replication=europe-west3,europe-north1&kms_key={west}&kms_key={north}").save(USER, FIRST, None)
    replicas = fake.only().secret.replication.user_managed.replicas
    assert [(r.location, r.customer_managed_encryption.kms_key_name) for r in replicas] == [
        ("europe-west3", west),
        ("europe-north1", north),
    ]
    fake.kept.clear()
    open_(options=f"&kms_key={west}").save(USER, FIRST, None)
    assert fake.only().secret.replication.automatic.customer_managed_encryption.kms_key_name == west
    fake.kept.clear()
    open_("projects/p/locations/europe-west3", f"&kms_key={west}").save(USER, FIRST, None)
    assert fake.only().secret.customer_managed_encryption.kms_key_name == west


def test_calls_of_each_operation(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()

    def calls() -> dict[str, int]:
        made = dict(fake.calls)
        fake.calls.clear()
        return made

    version = store.save(USER, FIRST, None)
    assert calls() == {"GetSecret": 1, "CreateSecret": 1, "AddSecretVersion": 1, "UpdateSecret": 1}
    assert record_of(store) == FIRST
    assert calls() == {"GetSecret": 1, "AccessSecretVersion": 1}
    version = store.save(USER, SECOND, version)
    assert calls() == {"GetSecret": 1, "AddSecretVersion": 1, "UpdateSecret": 1, "DestroySecretVersion": 1}
    # Only what a secret manager does not keep differs: nothing is written.
    busy = dataclasses.replace(SECOND, access_token="new", access_token_expiry=1, last_activity=2)
    assert store.save(USER, busy, version) == version
    assert calls() == {"GetSecret": 1}
    assert open_().save(USER, busy, version) == version
    assert calls() == {"GetSecret": 1, "AccessSecretVersion": 1}


def test_unchanged_but_stale_is_a_conflict(open_: Open) -> None:
    store, other = open_(), open_()
    version = store.save(USER, FIRST, None)
    other.save(USER, SECOND, version)
    with pytest.raises(StoreConflictError):
        store.save(USER, FIRST, version)


def test_no_read_by_alias_or_latest(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    store.save(USER, SECOND, store.save(USER, FIRST, None))
    store.load(USER)
    store.accounts()
    read = [name for method, name in fake.log if method == "AccessSecretVersion"]
    assert read
    assert all(name.rpartition("/")[2].isdecimal() for name in read)


def test_too_large_is_refused_before_anything_is_sent(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.calls.clear()
    with pytest.raises(StoreTooLargeError, match="65536"):
        store.save(USER, Record(refresh_token="x" * 65_500), version)
    assert not fake.calls
    assert record_of(store) == FIRST


def test_the_largest_that_fits(open_: Open) -> None:
    store = open_()
    frame = len('{"account":"user@example.com","record":{"refresh_token":""},"v":1}')
    record = Record(refresh_token="x" * (65_536 - frame))
    store.save(USER, record, None)
    assert record_of(store) == record


def test_others_aliases_stay(fake: FakeSecretManager, open_: Open) -> None:
    store = open_()
    version = store.save(USER, FIRST, None)
    fake.only().secret.version_aliases = {"current": 1, "mine": 1}
    store.save(USER, SECOND, version)
    assert dict(fake.only().secret.version_aliases) == {"current": 2, "mine": 1}


def test_accounts_over_several_pages_and_among_others_secrets(fake: FakeSecretManager, open_: Open) -> None:
    fake.page_size = 2
    store = open_()
    names = [f"user{number}@example.com" for number in range(5)]
    for name in names:
        store.save(name, FIRST, None)
    open_("projects/p/secrets/mail-eu").save("elsewhere@example.com", FIRST, None)
    open_("projects/q/secrets/mail").save("foreign@example.com", FIRST, None)
    assert store.accounts() == names
    # A list that is older than a write still finds what is current.
    fake.lag = 1
    stored = store.load(names[0])
    assert stored is not None
    store.save(names[0], SECOND, stored.version)
    assert names[0] in store.accounts()
