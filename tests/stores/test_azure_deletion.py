"""What becomes of a secret in Key Vault that was deleted, by an administrator or by the store, and is needed again?"""

from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.store.base import StoreConflictError, StoreContentError, StoreDeniedError, StoreUnavailableError
from emailproxy.store.document import lasting
from emailproxy.testing.store_contract import EXAMPLE
from tests.stores.conftest import cannot

try:
    import azure.identity
    import azure.keyvault.secrets  # noqa: F401 - to tell a missing SDK from a failing store
except ImportError as error:
    cannot(f"the Azure SDK is not installed ({error})")

from emailproxy_backends import azure_store
from emailproxy_backends.azure_calls import Deadline
from tests.stores.azure_opened import NAME, NEWER, USER, Open, opened, refusing, vault
from tests.stores.azure_vault import Answer, FakeVault, forbidden, refusal
from tests.stores.azurite import Azurite, azurite

__all__ = ["azurite", "opened", "vault"]


def test_a_deleted_secret_is_recovered_and_written(vault: FakeVault, opened: Open) -> None:
    store = opened()
    store.save(USER, EXAMPLE, None)
    vault.delete(NAME)
    vault.recovery_seconds = 1.2
    assert store.load(USER) is None
    version = store.save(USER, NEWER, None)
    stored = store.load(USER)
    assert (stored.record, stored.version) == (lasting(NEWER), version)
    assert vault.requests["POST deletedsecrets"] == 1


def test_a_recovery_that_takes_too_long_or_is_denied(
    vault: FakeVault, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure_store, "WRITE_SECONDS", 1.5)
    store = opened()
    store.save(USER, EXAMPLE, None)
    vault.delete(NAME)
    vault.recovery_seconds = 60
    vault.trouble = refusing("POST", forbidden(), path="/deletedsecrets")
    with pytest.raises(StoreDeniedError, match="secrets/recover/action"):
        store.save(USER, NEWER, None)
    vault.trouble = lambda method, path: None
    with pytest.raises(StoreUnavailableError):
        store.save(USER, NEWER, None)


def test_a_writer_who_compared_before_the_deletion_brings_nothing_back(vault: FakeVault, opened: Open) -> None:
    store = opened()
    version = store.save(USER, EXAMPLE, None)

    def deleted_in_between(method: str, path: str) -> None:
        if method == "PUT" and NAME in vault.secrets:
            vault.delete(NAME)

    vault.trouble = deleted_in_between
    with pytest.raises(StoreConflictError):
        store.save(USER, NEWER, version)
    assert NAME in vault.deleted
    assert store.load(USER) is None


def test_deleting_costs_what_the_documentation_says_and_can_be_undone(vault: FakeVault, opened: Open) -> None:
    store = opened()
    store.save(USER, EXAMPLE, None)
    vault.requests.clear()
    assert store.delete(USER)
    assert dict(vault.requests) == {"GET secrets": 1, "DELETE secrets": 1}
    assert list(vault.deleted) == [NAME]


@pytest.mark.parametrize("value", ["s3cret", '{"v":1,"account":"b@example.com","record":{}}', '{"v":3,"record":{}}'])
def test_what_is_not_ours_is_not_deleted(vault: FakeVault, opened: Open, value: str) -> None:
    store = opened()
    store.save(USER, EXAMPLE, None)
    vault.secrets[NAME][-1].value = value
    with pytest.raises(StoreContentError):
        store.delete(USER)
    assert NAME in vault.secrets


def test_damage_can_be_deleted(vault: FakeVault, opened: Open) -> None:
    store = opened()
    store.save(USER, EXAMPLE, None)
    vault.secrets[NAME][-1].value = f'{{"v":1,"account":"{USER}","record":{{"token_iterations":"x"}}}}'
    assert store.delete(USER)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (forbidden(), StoreDeniedError, r"cannot be deleted: managed identity.* secrets/delete/action|secrets/delete"),
        (refusal(503, "Unavailable"), StoreUnavailableError, "cannot be deleted now"),
    ],
)
def test_a_refusal_leaves_the_record(
    vault: FakeVault, opened: Open, answer: Answer, kind: type[Exception], message: str
) -> None:
    store = opened()
    version = store.save(USER, EXAMPLE, None)
    vault.trouble = refusing("DELETE", answer)
    with pytest.raises(kind, match=message):
        store.delete(USER)
    assert store.load(USER).version == version


def test_a_deletion_whose_answer_got_lost_was_one(vault: FakeVault, opened: Open) -> None:
    store = opened()
    store.save(USER, EXAMPLE, None)
    vault.lost_answers = 1
    assert store.delete(USER)
    assert vault.requests["DELETE secrets"] == 2
    assert not store.delete(USER)


def test_a_deletion_waits_for_the_lease_and_gives_it_back(
    opened: Open, azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "both.pem").write_bytes((tmp_path / "ca.pem").read_bytes() + azurite.ca.read_bytes())
    monkeypatch.setattr(azure_store, "WRITE_SECONDS", 1.0)
    options = f"&lease={azurite.new_container()}"
    one, other = opened(options, ca="both.pem"), opened(options, ca="both.pem")
    one.save(USER, EXAMPLE, None)
    with one._lease.held(NAME, Deadline(5)), pytest.raises(StoreUnavailableError, match="held by another process"):
        other.delete(USER)
    assert other.delete(USER)
    assert one.load(USER) is None
    one.save(USER, NEWER, None)
