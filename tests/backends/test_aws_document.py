"""The classic proxy's document: the contract, its exact format, and what others keep in it stays."""

from __future__ import annotations

import dataclasses
import json
import threading

import pytest

from emailproxy.store.base import (
    CACHED_OPTIONS,
    Record,
    StoreAddressError,
    StoreConflictError,
    StoreContentError,
    StoreDeniedError,
    StoreTooLargeError,
    StoreUnavailableError,
)
from emailproxy.testing.store_contract import EXAMPLE, StoreContract
from emailproxy_backends import aws_document
from emailproxy_backends.aws_document import DocumentStore
from emailproxy_backends.aws_secret import Secrets
from tests.patience import HANG

from .aws_double import SecretsDouble

ADA, BOB = "ada@example.com", "bob@example.com"
CLASSIC = {
    ADA: {"token_salt": "c2FsdA==", "token_iterations": "1200000", "access_token": "gAAA", "refresh_token": "gBBB",
          "access_token_expiry": "1790000000", "last_activity": "1789999000", "of_the_future": "kept"},
    BOB: {"token_salt": "c2Fs", "refresh_token": "gCCC"},
    "@example.com": {"unknown": "kept"},
}  # fmt: skip


@pytest.fixture
def service() -> SecretsDouble:
    return SecretsDouble()


def opened(service: SecretsDouble, name: str = "tokens") -> DocumentStore:
    return DocumentStore(f"aws:{name}", name, Secrets(f"aws:{name}", service, unconditional_if_denied=True))


@pytest.fixture
def store(service: SecretsDouble) -> DocumentStore:
    return opened(service)


class TestContract(StoreContract):
    @pytest.fixture(autouse=True)
    def _place(self) -> None:
        self.service = SecretsDouble()

    def open_store(self) -> DocumentStore:
        return opened(self.service)

    def kept(self, record: Record) -> Record:
        return dataclasses.replace(record, refresh_token_issued=None)


class TestContractBesideOthers(TestContract):
    @pytest.fixture(autouse=True)
    def _others(self, _place: None) -> None:
        others = {"someone@else.example": {"of_the_future": "kept"}}
        self.service.create("tokens", json.dumps(others), "v1", "")

    def teardown_method(self) -> None:
        assert json.loads(self.service.current("tokens"))["someone@else.example"] == {"of_the_future": "kept"}


def test_a_classic_document_is_read(service: SecretsDouble, store: DocumentStore) -> None:
    service.create("tokens", json.dumps(CLASSIC), "v1", "")
    stored = store.load(ADA)
    assert stored is not None
    assert stored.record == Record("c2FsdA==", 1_200_000, "gAAA", 1_790_000_000, "gBBB", None, 1_789_999_000)
    assert store.accounts() == [ADA, BOB]
    assert store.load("@example.com") is None


def test_only_the_accounts_own_options_change(service: SecretsDouble, store: DocumentStore) -> None:
    service.create("tokens", json.dumps(CLASSIC), "v1", "")
    stored = store.load("ADA@example.com")
    assert stored is not None
    store.save(
        "ADA@example.com", dataclasses.replace(stored.record, access_token=None, last_activity=7), stored.version
    )
    expected = json.loads(json.dumps(CLASSIC))
    del expected[ADA]["access_token"]
    expected[ADA]["last_activity"] = "7"
    assert json.loads(service.current("tokens")) == expected


def test_all_values_are_texts_and_access_tokens_are_kept(service: SecretsDouble, store: DocumentStore) -> None:
    store.save(ADA, EXAMPLE, None)
    assert json.loads(service.current("tokens")) == {ADA: EXAMPLE.to_options(CACHED_OPTIONS)}
    assert service.current("tokens") == json.dumps({ADA: EXAMPLE.to_options(CACHED_OPTIONS)})


def test_deleting_removes_what_is_the_proxys_and_nothing_else(service: SecretsDouble, store: DocumentStore) -> None:
    service.create("tokens", json.dumps(CLASSIC), "v1", "")
    assert store.delete("ADA@example.com")
    assert store.delete(BOB)
    assert not store.delete("@example.com")
    expected = {ADA: {"of_the_future": "kept"}, "@example.com": {"unknown": "kept"}}
    assert json.loads(service.current("tokens")) == expected
    assert store.accounts() == []


def test_deleting_does_not_lose_the_change_of_another_account(service: SecretsDouble, store: DocumentStore) -> None:
    store.save(ADA, EXAMPLE, None)
    service.hooks["put"] = lambda: void(opened(service).save(BOB, EXAMPLE, None))
    assert store.delete(ADA)
    assert store.accounts() == [BOB]


def test_of_two_who_delete_at_the_same_moment_the_later_finds_nothing(
    service: SecretsDouble, store: DocumentStore
) -> None:
    store.save(ADA, EXAMPLE, None)
    service.hooks["put"] = lambda: void(opened(service).delete(ADA))
    assert not store.delete(ADA)


def test_a_document_that_is_marked_for_deletion_is_not_restored_to_delete(
    service: SecretsDouble, store: DocumentStore
) -> None:
    store.save(ADA, EXAMPLE, None)
    service.secrets["tokens"].deleted = True
    assert not store.delete(ADA)
    assert service.secrets["tokens"].deleted


def test_damage_can_be_deleted(service: SecretsDouble, store: DocumentStore) -> None:
    service.create("tokens", json.dumps({ADA: {"token_salt": 7}, BOB: {"refresh_token": "r"}}), "v1", "")
    with pytest.raises(StoreContentError):
        store.load(ADA)
    assert store.delete(ADA)
    assert json.loads(service.current("tokens")) == {BOB: {"refresh_token": "r"}}


def test_a_version_is_of_one_account(service: SecretsDouble, store: DocumentStore) -> None:
    version = store.save(ADA, EXAMPLE, None)
    store.save(BOB, EXAMPLE, None)
    assert store.save(ADA, Record(refresh_token="r"), version) != version


def test_an_unchanged_record_is_not_written(service: SecretsDouble, store: DocumentStore) -> None:
    version = store.save(ADA, EXAMPLE, None)
    service.calls.clear()
    assert store.save(ADA, EXAMPLE, version) == version
    assert service.calls == ["get"]


def test_a_change_of_another_account_at_the_same_moment_is_not_lost(
    service: SecretsDouble, store: DocumentStore
) -> None:
    version = store.save(ADA, EXAMPLE, None)
    service.hooks["put"] = lambda: void(opened(service).save(BOB, EXAMPLE, None))
    store.save(ADA, Record(refresh_token="mine"), version)
    assert json.loads(service.current("tokens")) == {
        ADA: {"refresh_token": "mine"},
        BOB: EXAMPLE.to_options(CACHED_OPTIONS),
    }
    assert service.own_labels("tokens") == []


def test_a_change_of_the_same_account_at_the_same_moment_is_a_conflict(
    service: SecretsDouble, store: DocumentStore
) -> None:
    version = store.save(ADA, EXAMPLE, None)
    service.hooks["put"] = lambda: void(opened(service).save(ADA, Record(refresh_token="other"), version))
    with pytest.raises(StoreConflictError):
        store.save(ADA, Record(refresh_token="mine"), version)
    assert json.loads(service.current("tokens")) == {ADA: {"refresh_token": "other"}}
    assert service.own_labels("tokens") == []


def test_two_create_the_document_at_the_same_moment(service: SecretsDouble, store: DocumentStore) -> None:
    service.hooks["create"] = lambda: void(opened(service).save(BOB, EXAMPLE, None))
    store.save(ADA, EXAMPLE, None)
    assert store.accounts() == [ADA, BOB]


def test_many_writers_of_different_accounts_lose_nothing(service: SecretsDouble) -> None:
    names = [f"user{number}@example.com" for number in range(6)]
    problems: list[BaseException] = []

    def write(name: str) -> None:
        try:
            store, version = opened(service), None
            for round_number in range(8):
                version = store.save(name, Record(token_iterations=round_number), version)
        except BaseException as error:  # noqa: BLE001 - reported below
            problems.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert json.loads(service.current("tokens")) == {name: {"token_iterations": "7"} for name in names}


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", '"text"', "null", '{"username": "admin", "password": "hunter2"}', "[" * 100_000],
)
def test_a_foreign_secret_is_left_alone(service: SecretsDouble, store: DocumentStore, text: str) -> None:
    service.create("tokens", text, "v1", "")
    for call in (lambda: store.load(ADA), lambda: store.save(ADA, EXAMPLE, None), store.accounts):
        with pytest.raises(StoreContentError, match="not written by emailproxy") as refused:
            call()
        assert "hunter2" not in str(refused.value)
    assert service.current("tokens") == text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token_iterations": "hunter2"}, "token_iterations is not a number"),
        ({"refresh_token": ["hunter2"]}, "is not text"),
    ],
)
def test_a_damaged_entry_harms_nobody_else(
    service: SecretsDouble, store: DocumentStore, options: dict[str, object], message: str
) -> None:
    service.create("tokens", json.dumps({ADA: options, BOB: {"refresh_token": "r"}}), "v1", "")
    with pytest.raises(StoreContentError, match=message) as refused:
        store.load(ADA)
    assert "hunter2" not in str(refused.value)
    with pytest.raises(StoreContentError):
        store.save(ADA, EXAMPLE, None)
    stored = store.load(BOB)
    assert stored is not None
    store.save(BOB, Record(refresh_token="newer"), stored.version)
    assert json.loads(service.current("tokens")) == {ADA: options, BOB: {"refresh_token": "newer"}}


def test_too_large_is_refused_before_anything_is_sent(service: SecretsDouble, store: DocumentStore) -> None:
    version = store.save(ADA, EXAMPLE, None)
    service.calls.clear()
    with pytest.raises(StoreTooLargeError, match=r"65536: keep one secret for each account"):
        store.save(ADA, Record(refresh_token="r" * 65_536), version)
    assert service.calls == ["get"]


def test_an_arn_is_not_created(service: SecretsDouble) -> None:
    store = opened(service, "arn:aws:secretsmanager:eu-central-1:1:secret:tokens-AbCdEf")
    assert store.load(ADA) is None
    with pytest.raises(StoreAddressError, match="no such secret"):
        store.save(ADA, EXAMPLE, None)
    assert service.secrets == {}


def test_a_document_marked_for_deletion_comes_back_with_everybodys_entries(
    service: SecretsDouble, store: DocumentStore
) -> None:
    store.save(ADA, EXAMPLE, None)
    store.save(BOB, EXAMPLE, None)
    service.secrets["tokens"].deleted = True
    assert store.load(ADA) is None
    assert store.accounts() == []
    store.save(ADA, Record(refresh_token="new"), None)
    assert json.loads(service.current("tokens")) == {
        BOB: EXAMPLE.to_options(CACHED_OPTIONS),
        ADA: {"refresh_token": "new"},
    }


def test_the_classic_proxys_permissions_suffice_for_one_proxy(
    service: SecretsDouble, store: DocumentStore, caplog: pytest.LogCaptureFixture
) -> None:
    for call in ("move", "describe", "restore", "names"):
        service.denied[call] = StoreDeniedError("lacks the permission secretsmanager:UpdateSecretVersionStage")
    version = None
    for number in range(30):
        # As many starts: each may leave a label behind, of which a secret takes 20.
        version = opened(service).save(ADA, Record(token_iterations=number), version)
    assert json.loads(service.current("tokens")) == {ADA: {"token_iterations": "29"}}
    assert "a second proxy's change at the same moment would be lost" in caplog.text
    assert "UpdateSecretVersionStage" in caplog.text


def test_denied_to_put_is_denied(service: SecretsDouble, store: DocumentStore) -> None:
    version = store.save(ADA, EXAMPLE, None)
    service.denied["put"] = StoreDeniedError("lacks the permission secretsmanager:PutSecretValue")
    with pytest.raises(StoreDeniedError, match="PutSecretValue"):
        store.save(ADA, Record(), version)


def test_a_write_that_hangs_does_not_hang_the_others_for_ever(
    service: SecretsDouble, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_document, "LOCK_SECONDS", 0.01)
    release = threading.Event()
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        assert release.wait(HANG)

    service.hooks["create"] = hang
    thread = threading.Thread(target=store.save, args=(ADA, EXAMPLE, None))
    thread.start()
    try:
        assert begun.wait(HANG)
        with pytest.raises(StoreUnavailableError, match="waiting for AWS"):
            store.save(BOB, EXAMPLE, None)
    finally:
        release.set()
        thread.join()
    assert store.accounts() == [ADA]


def void(_: object) -> None:
    """For hooks."""
