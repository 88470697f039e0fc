"""One secret per account: the contract, the little that is written, and what is refused, on a strict double."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys

import pytest

from emailproxy.store.base import (
    Record,
    StoreAddressError,
    StoreConflictError,
    StoreContentError,
    StoreDeniedError,
    StoreTooLargeError,
    StoreUnavailableError,
    Version,
)
from emailproxy.store.document import account_hash, lasting
from emailproxy.store.registry import open_store as open_by_address
from emailproxy.testing.store_contract import EXAMPLE, StoreContract
from emailproxy_backends.aws import AccountSecretsStore
from emailproxy_backends.aws_secret import Secrets

from .aws_double import Secret, SecretsDouble

ADA = "ada@example.com"


@pytest.fixture
def service() -> SecretsDouble:
    return SecretsDouble()


@pytest.fixture
def store(service: SecretsDouble) -> AccountSecretsStore:
    return AccountSecretsStore("aws:proxy/", "proxy/", Secrets("aws:proxy/", service))


class TestContract(StoreContract):
    @pytest.fixture(autouse=True)
    def _place(self) -> None:
        self.service = SecretsDouble()

    def open_store(self) -> AccountSecretsStore:
        return AccountSecretsStore("aws:proxy/", "proxy/", Secrets("aws:proxy/", self.service))

    def kept(self, record: Record) -> Record:
        return lasting(record)


def test_one_document_without_what_changes_all_the_time(service: SecretsDouble, store: AccountSecretsStore) -> None:
    store.save(ADA, EXAMPLE, None)
    document = json.loads(service.current(f"proxy/{ADA}"))
    assert document == {"v": 1, "account": ADA, "record": lasting(EXAMPLE).to_options()}
    assert ADA in service.secrets[f"proxy/{ADA}"].description


def test_a_record_that_lasts_unchanged_is_not_written(service: SecretsDouble, store: AccountSecretsStore) -> None:
    version = store.save(ADA, EXAMPLE, None)
    service.calls.clear()
    busy = dataclasses.replace(EXAMPLE, access_token="newer", access_token_expiry=1, last_activity=2)
    assert store.save(ADA, busy, version) == version
    assert service.calls == ["get"]


def test_the_version_is_the_services(service: SecretsDouble, store: AccountSecretsStore) -> None:
    version = store.save(ADA, EXAMPLE, None)
    assert service.get(f"proxy/{ADA}")[0] == version


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", '{"username": "x", "password": "hunter2"}', '{"v":3,"record":{}}']
)
def test_foreign_content_is_left_alone(service: SecretsDouble, store: AccountSecretsStore, text: str) -> None:
    service.create(f"proxy/{ADA}", text, "v1", "")
    with pytest.raises(StoreContentError) as refused:
        store.load(ADA)
    assert "hunter2" not in str(refused.value)
    with pytest.raises(StoreContentError):
        store.save(ADA, EXAMPLE, Version("v1"))
    with pytest.raises(StoreConflictError):
        store.save(ADA, EXAMPLE, None)
    assert service.current(f"proxy/{ADA}") == text


def test_another_accounts_secret_is_refused(service: SecretsDouble, store: AccountSecretsStore) -> None:
    store.save("bob@example.com", EXAMPLE, None)
    service.secrets[f"proxy/{ADA}"] = service.secrets["proxy/bob@example.com"]
    with pytest.raises(StoreContentError, match="belongs to another account"):
        store.load(ADA)


def test_too_large_is_refused_before_anything_is_sent(service: SecretsDouble, store: AccountSecretsStore) -> None:
    version = store.save(ADA, EXAMPLE, None)
    service.calls.clear()
    with pytest.raises(StoreTooLargeError, match="65536"):
        store.save(ADA, Record(refresh_token="ü" * 32_768), version)
    assert service.calls == []
    stored = store.load(ADA)
    assert stored is not None
    assert stored.version == version


@pytest.mark.parametrize("error", [StoreUnavailableError("down"), StoreDeniedError("denied")])
def test_a_failed_read_never_leads_to_a_write(
    service: SecretsDouble, store: AccountSecretsStore, error: Exception
) -> None:
    service.denied["get"] = error
    for call in (lambda: store.load(ADA), lambda: store.save(ADA, EXAMPLE, None)):
        with pytest.raises(type(error)):
            call()
    assert set(service.calls) == {"get"}


def test_a_secret_prepared_without_a_value_is_no_record(service: SecretsDouble, store: AccountSecretsStore) -> None:
    service.secrets[f"proxy/{ADA}"] = Secret()
    service.denied["create"] = StoreDeniedError("lacks the permission secretsmanager:CreateSecret")
    assert store.load(ADA) is None
    assert store.accounts() == []
    version = store.save(ADA, EXAMPLE, None)
    stored = store.load(ADA)
    assert stored is not None
    assert stored.version == version
    with pytest.raises(StoreDeniedError, match="CreateSecret"):
        store.save("bob@example.com", EXAMPLE, None)


def test_a_version_without_a_value_is_no_record(service: SecretsDouble, store: AccountSecretsStore) -> None:
    # As some implementations make of a secret that is created without a value.
    service.secrets[f"proxy/{ADA}"] = Secret({"v1": None}, {"AWSCURRENT": "v1"})
    assert store.load(ADA) is None
    store.save(ADA, EXAMPLE, None)
    assert store.load(ADA) is not None


def test_what_is_marked_for_deletion_is_no_record_and_is_restored_by_a_save(
    service: SecretsDouble, store: AccountSecretsStore, caplog: pytest.LogCaptureFixture
) -> None:
    old = store.save(ADA, EXAMPLE, None)
    service.secrets[f"proxy/{ADA}"].deleted = True
    assert store.load(ADA) is None
    assert store.accounts() == []
    with caplog.at_level(logging.WARNING):
        version = store.save(ADA, Record(refresh_token="new"), None)
    assert "was marked for deletion and is needed again; restored" in caplog.text
    assert version != old
    stored = store.load(ADA)
    assert stored is not None
    assert stored.record == Record(refresh_token="new")


def test_a_save_that_is_too_late_restores_nothing(service: SecretsDouble, store: AccountSecretsStore) -> None:
    version = store.save(ADA, EXAMPLE, None)
    service.secrets[f"proxy/{ADA}"].deleted = True
    with pytest.raises(StoreConflictError):
        store.save(ADA, Record(refresh_token="late"), version)
    assert service.secrets[f"proxy/{ADA}"].deleted


def test_only_what_is_ours_is_deleted(service: SecretsDouble, store: AccountSecretsStore) -> None:
    service.create(f"proxy/{ADA}", '{"password": "s3cret"}', "v1", "")
    with pytest.raises(StoreContentError, match="not written by emailproxy"):
        store.delete(ADA)
    assert not service.secrets[f"proxy/{ADA}"].deleted
    damaged = '{"v":1,"account":"bob@example.com","record":{"token_iterations":"x"}}'
    service.create("proxy/bob@example.com", damaged, "v1", "")
    assert store.delete("bob@example.com")


def test_two_proxies_restore_and_only_one_saves(service: SecretsDouble, store: AccountSecretsStore) -> None:
    store.save(ADA, EXAMPLE, None)
    service.secrets[f"proxy/{ADA}"].deleted = True
    other = AccountSecretsStore("aws:proxy/", "proxy/", Secrets("aws:proxy/", service))
    # The other one does all of it between this one's look and its restoration.
    service.hooks["restore"] = lambda: void(other.save(ADA, Record(refresh_token="other"), None))
    with pytest.raises(StoreConflictError):
        store.save(ADA, Record(refresh_token="mine"), None)
    stored = store.load(ADA)
    assert stored is not None
    assert stored.record == Record(refresh_token="other")


def test_accounts_with_odd_names_are_told_by_their_secrets(
    service: SecretsDouble, store: AccountSecretsStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.save("jürgen@example.com", EXAMPLE, None)
    store.save(ADA, EXAMPLE, None)
    service.create("proxy/" + account_hash("nobody"), "foreign", "v1", "")
    service.create("proxy/team/eve@example.com", "another store's", "v1", "")
    assert store.accounts() == [ADA, "jürgen@example.com"]
    assert account_hash("nobody") in caplog.text


def test_listing_may_be_denied(service: SecretsDouble, store: AccountSecretsStore) -> None:
    service.denied["names"] = StoreDeniedError("lacks the permission secretsmanager:ListSecrets")
    with pytest.raises(StoreDeniedError, match="ListSecrets"):
        store.accounts()


def test_close(service: SecretsDouble, store: AccountSecretsStore) -> None:
    store.close()
    assert service.closed == 1


def test_without_the_sdk_the_registry_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "emailproxy_backends.aws_service", raising=False)
    with pytest.raises(StoreAddressError, match=r"pip install 'emailproxy-cloud\[aws\]'"):
        open_by_address("aws:proxy/?region=eu-central-1")


def test_a_malformed_address_needs_no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StoreAddressError, match="names no secret"):
        open_by_address("aws:white space")


def void(_: object) -> None:
    """For hooks."""
