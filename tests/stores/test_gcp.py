"""The Google store against a service that lags, throttles, breaks off, refuses, and is written by others."""

from __future__ import annotations

import dataclasses
import json
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from emailproxy.store.base import (
    Record,
    StoreAddressError,
    StoreConflictError,
    StoreContentError,
    StoreDeniedError,
    StoreError,
    StoreTooLargeError,
    StoreUnavailableError,
)
from emailproxy.store.registry import open_store as open_any
from emailproxy.testing.store_contract import EXAMPLE

from .conftest import cannot

try:
    from emailproxy_backends import gcp_calls, gcp_secrets
    from emailproxy_backends.gcp import open_store
    from emailproxy_backends.gcp_store import SecretManagerStore

    from .gcp_fake import Answer, FakeSecretManager, Rule, State, serving
except ImportError as error:
    cannot(f"the SDK of Google's Secret Manager is not installed: {error}")

USER = "user@example.com"
FIRST = Record(refresh_token="gAAAAA-first", token_salt="c2FsdA==")
SECOND = dataclasses.replace(FIRST, refresh_token="gAAAAA-second")
THIRD = dataclasses.replace(FIRST, refresh_token="gAAAAA-third")

Open = Callable[..., SecretManagerStore]


@pytest.fixture
def fake() -> FakeSecretManager:
    return FakeSecretManager()


@pytest.fixture
def port(fake: FakeSecretManager) -> Iterator[int]:
    with serving(fake) as port:
        yield port


@pytest.fixture
def open_(port: int) -> Iterator[Open]:
    opened: list[SecretManagerStore] = []

    def open_(place: str = "projects/p/secrets/mail", options: str = "") -> SecretManagerStore:
        opened.append(open_store(f"{place}?endpoint=http://127.0.0.1:{port}{options}"))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are for the network; the fake needs none."""
    monkeypatch.setattr(gcp_secrets, "REREAD_PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(gcp_calls, "BACKOFF", (0.01, 0.02))
    monkeypatch.setattr(gcp_calls, "THROTTLED_BACKOFF", (0.01, 0.02))


def lost(status: str = "UNAVAILABLE") -> Rule:
    """The call is carried out, and its answer gets lost."""
    return Rule(Answer(status), carried_out=True)


def failing(status: str = "UNAVAILABLE") -> Rule:
    return Rule(Answer(status))


def record_of(store: SecretManagerStore) -> Record | None:
    stored = store.load(USER)
    return stored.record if stored else None


# What is kept, and how


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


# Others write at the same time


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


# The service's metadata lags


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


# Answers get lost


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


# Failures


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
    assert time.monotonic() - begin < 1


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
    "content", [b"not ours", b"\xff\xfe", b"[]", b'{"v":2,"account":"user@example.com","record":{}}']
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


# Connections and credentials


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        store = open_store(f"projects/p?endpoint=http://127.0.0.1:{unused.getsockname()[1]}")
        begin = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="cannot be reached for get_secret"):
            store.load(USER)
        assert time.monotonic() - begin < 5
        store.close()


def test_no_answer(fake: FakeSecretManager, open_: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcp_calls, "CALL_SECONDS", 0.2)
    store = open_()
    fake.delay = 0.6
    with pytest.raises(StoreUnavailableError, match="no answer to get_secret"):
        store.load(USER)
    assert 2 <= fake.calls["GetSecret"] <= 3


def test_a_service_that_comes_back_is_used_again(fake: FakeSecretManager) -> None:
    with serving(fake) as port:
        store = open_store(f"projects/p?endpoint=http://127.0.0.1:{port}")
        store.save(USER, FIRST, None)
    with pytest.raises(StoreUnavailableError):
        store.load(USER)
    with serving(fake, port=port):
        deadline = time.monotonic() + 10
        while True:
            try:
                assert record_of(store) == FIRST
                break
            except StoreUnavailableError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    store.close()


def test_closed_is_opened_again(open_: Open) -> None:
    store = open_()
    store.save(USER, FIRST, None)
    store.close()
    store.close()
    assert record_of(store) == FIRST


def service_account(folder: Path) -> Path:
    """What a service account's key file looks like; it signs its tokens itself."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "key.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key_id": "1",
                "private_key": key.decode(),
                "client_email": "proxy@p.iam.gserviceaccount.com",
                "token_uri": "https://127.0.0.1:9/token",
            }
        )
    )
    return file


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return authority


@pytest.fixture
def tls_port(fake: FakeSecretManager, authority: trustme.CA) -> Iterator[int]:
    fake.requires_token = True
    certificate = authority.issue_cert("localhost")
    chain = [blob.bytes() for blob in certificate.cert_chain_pems]
    with serving(fake, key=certificate.private_key_pem.bytes(), certificates=chain) as port:
        yield port


def test_tls_with_a_private_ca_and_a_service_account(
    tls_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fake: FakeSecretManager,
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path)))
    caplog.set_level(logging.INFO, "emailproxy")
    store = open_any(f"gcp:projects/p?endpoint=localhost:{tls_port}&ca={tmp_path / 'ca.pem'}")
    store.save(USER, FIRST, None)
    stored = store.load(USER)
    assert stored is not None
    assert stored.record == FIRST
    # Said once, with the principal.
    said = [line for line in caplog.messages if "credentials" in line]
    assert len(said) == 1
    assert "proxy@p.iam.gserviceaccount.com (service account credentials from" in said[0]
    fake.denied["GetSecret"] = Answer("PERMISSION_DENIED")
    with pytest.raises(StoreDeniedError, match=r"proxy@p\.iam\.gserviceaccount\.com .* lacks the permission"):
        store.load(USER)
    store.close()


def test_an_unknown_ca_is_not_trusted(
    tls_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: FakeSecretManager
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path)))
    store = open_store(f"projects/p?endpoint=localhost:{tls_port}")
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        store.load(USER)
    assert not fake.calls
    store.close()
    store = open_store(f"projects/p?endpoint=localhost:{tls_port}&ca={tmp_path / 'none.pem'}")
    with pytest.raises(StoreAddressError, match=r"none\.pem cannot be read"):
        store.load(USER)


def test_no_credentials(tls_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    store = open_store(f"projects/p?endpoint=localhost:{tls_port}&ca={tmp_path / 'ca.pem'}")
    with pytest.raises(StoreDeniedError, match="no usable Google credentials"):
        store.load(USER)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "ca.pem"))
    with pytest.raises(StoreDeniedError, match="no usable Google credentials"):
        store.load(USER)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    with pytest.raises(StoreDeniedError, match="credentials cannot be read: Is a directory"):
        store.load(USER)
    # Mended while the proxy runs: found.
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path)))
    assert store.load(USER) is None
    store.close()


def test_a_token_endpoint_that_is_away(tls_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "wif.json"
    (tmp_path / "subject").write_text("a-subject-token")
    file.write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": "https://127.0.0.1:9/token",
                "credential_source": {"file": str(tmp_path / "subject")},
            }
        )
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    store = open_store(f"projects/p?endpoint=localhost:{tls_port}&ca={tmp_path / 'ca.pem'}")
    with pytest.raises(StoreUnavailableError, match="token endpoint cannot be reached") as raised:
        store.load(USER)
    assert "a-subject-token" not in str(raised.value)
    store.close()


def test_the_sdk_does_not_log_contents(
    open_: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The library can log each request with its payload; not for us, whatever the levels."""
    google = logging.getLogger("google")
    monkeypatch.setattr(google, "propagate", True)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "google")
    store = open_()
    store.save(USER, EXAMPLE, None)
    store.load(USER)
    # Contents are in base64 there; whoever logs requests at all logs them.
    assert not [line for line in caplog.records if hasattr(line, "rpcName") or hasattr(line, "request")]
    assert str(EXAMPLE.refresh_token) not in caplog.text
