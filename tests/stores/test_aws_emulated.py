"""AWS, beyond the contract: deletion, crashes, replicas, the classic document, and what a policy leaves out."""

from __future__ import annotations

import json
import logging
import multiprocessing
import time
from collections.abc import Callable

import pytest

from emailproxy.store.base import (
    CACHED_OPTIONS,
    CacheStore,
    Record,
    StoreConflictError,
    StoreContentError,
    StoreDeniedError,
    StoreTooLargeError,
)
from emailproxy.store.document import lasting
from emailproxy.testing.store_contract import EXAMPLE

from .aws_emulators import ALL_ACTIONS, Emulator, aws_environment, emulator, ministack, moto, place
from .conftest import cannot

try:
    import boto3  # noqa: F401
except ImportError:
    cannot("boto3 is not installed (pip install 'emailproxy-cloud[aws]')")

__all__ = ["aws_environment", "emulator", "ministack", "moto", "place"]

Become = Callable[..., str]

ADA, BOB = "ada@example.com", "bob@example.com"


def value(emulator: Emulator, name: str) -> str:
    text: str = emulator.client().get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"]
    return text


def own_labels(emulator: Emulator, name: str) -> list[str]:
    stages = emulator.client().describe_secret(SecretId=name)["VersionIdsToStages"]
    return [label for labels in stages.values() for label in labels if not label.startswith("AWS")]


def test_a_save_leaves_no_label_behind(emulator: Emulator, place: str) -> None:
    store = emulator.open(f"{place}/")
    store.save(ADA, Record(refresh_token="newer"), store.save(ADA, EXAMPLE, None))
    assert own_labels(emulator, f"{place}/{ADA}") == []


def test_a_crashed_writers_label_is_swept(emulator: Emulator, place: str) -> None:
    version = emulator.open(f"{place}/").save(ADA, EXAMPLE, None)
    name, token = f"{place}/{ADA}", "0" * 32
    label = f"p-{int(time.time()) - 3600}-{token}"
    emulator.client().put_secret_value(
        SecretId=name, SecretString="crashed", ClientRequestToken=token, VersionStages=[label]
    )
    assert own_labels(emulator, name) == [label]
    restarted = emulator.open(f"{place}/")
    stored = restarted.load(ADA)
    assert stored is not None
    assert stored.version == version
    restarted.save(ADA, Record(refresh_token="newer"), version)
    assert own_labels(emulator, name) == []


def test_a_secret_prepared_without_a_value(emulator: Emulator, place: str) -> None:
    emulator.client().create_secret(Name=f"{place}/{ADA}")
    store = emulator.open(f"{place}/")
    assert store.load(ADA) is None
    version = store.save(ADA, EXAMPLE, None)
    stored = store.load(ADA)
    assert stored is not None
    assert stored.version == version
    assert own_labels(emulator, f"{place}/{ADA}") == []


@pytest.mark.parametrize("shape", ["", "/"])
def test_marked_for_deletion_then_needed_again(
    emulator: Emulator, place: str, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = emulator.open(place + shape)
    store.save(ADA, EXAMPLE, None)
    emulator.client().delete_secret(SecretId=f"{place}/{ADA}" if shape else place)
    assert store.load(ADA) is None
    assert store.accounts() == []
    version = store.save(ADA, Record(refresh_token="new"), None)
    assert "restored" in caplog.text
    stored = store.load(ADA)
    assert stored is not None
    assert (stored.record, stored.version) == (Record(refresh_token="new"), version)


def test_a_deleted_record_can_be_recovered_by_hand(emulator: Emulator, place: str) -> None:
    store = emulator.open(f"{place}/")
    store.save(ADA, EXAMPLE, None)
    assert store.delete(ADA)
    emulator.client().restore_secret(SecretId=f"{place}/{ADA}")
    stored = store.load(ADA)
    assert stored is not None
    assert stored.record == lasting(EXAMPLE)


def test_a_writer_that_is_late_does_not_undo_a_deletion(emulator: Emulator, place: str) -> None:
    store, other = emulator.open(f"{place}/"), emulator.open(f"{place}/")
    version = store.save(ADA, EXAMPLE, None)
    assert store.delete(ADA)
    with pytest.raises(StoreConflictError):
        other.save(ADA, Record(refresh_token="late"), version)
    assert "DeletedDate" in emulator.client().describe_secret(SecretId=f"{place}/{ADA}")


def test_deleted_for_good_then_needed_again(emulator: Emulator, place: str) -> None:
    store = emulator.open(f"{place}/")
    old = store.save(ADA, EXAMPLE, None)
    emulator.client().delete_secret(SecretId=f"{place}/{ADA}", ForceDeleteWithoutRecovery=True)
    with pytest.raises(StoreConflictError):
        store.save(ADA, EXAMPLE, old)
    assert store.load(ADA) is None
    store.save(ADA, EXAMPLE, None)
    assert store.accounts() == [ADA]


def test_octets_are_foreign(emulator: Emulator, place: str) -> None:
    emulator.client().create_secret(Name=f"{place}/{ADA}", SecretBinary=b"\x00\x01")
    emulator.client().create_secret(Name=place, SecretBinary=b"\x00\x01")
    for store in (emulator.open(f"{place}/"), emulator.open(place)):
        with pytest.raises(StoreContentError):
            store.load(ADA)


def test_a_classic_document_by_name_and_by_arn(emulator: Emulator, place: str) -> None:
    document = {
        ADA: {"token_salt": "c2FsdA==", "refresh_token": "gBBB", "later": "kept"},
        BOB: {"refresh_token": "gCCC"},
    }
    arn = emulator.client().create_secret(Name=place, SecretString=json.dumps(document))["ARN"]
    for store, number in ((emulator.open(place), 1), (by_arn(emulator, arn), 2)):
        stored = store.load(ADA)
        assert stored is not None
        store.save(ADA, Record(token_salt="c2FsdA==", access_token=f"g{number}"), stored.version)
        document[ADA] = {"token_salt": "c2FsdA==", "access_token": f"g{number}", "later": "kept"}
        assert json.loads(value(emulator, place)) == document


def by_arn(emulator: Emulator, arn: str) -> CacheStore:
    from emailproxy.store.registry import open_store

    region = arn.split(":")[3]
    return open_store(f"aws:{arn}?region={region}&endpoint={emulator.url}")


def test_a_document_that_grows_too_large_stays_as_it_was(emulator: Emulator, place: str) -> None:
    store = emulator.open(place)
    big = Record(refresh_token="r" * 30_000)
    store.save(ADA, big, None)
    store.save(BOB, big, None)
    with pytest.raises(StoreTooLargeError):
        store.save("carol@example.com", big, None)
    assert store.accounts() == [ADA, BOB]


def test_processes_that_write_different_accounts_lose_nothing(emulator: Emulator, place: str) -> None:
    names = [f"user{number}@example.com" for number in range(4)]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=rewrite, args=(emulator, place, name)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * len(names)
    assert json.loads(value(emulator, place)) == {name: {"token_iterations": "9"} for name in names}


def rewrite(emulator: Emulator, place: str, name: str) -> None:
    store, version = emulator.open(place), None
    for number in range(10):
        version = store.save(name, Record(token_iterations=number), version)


# ministack enforces policies.


@pytest.fixture
def as_user(ministack: Emulator, place: str, monkeypatch: pytest.MonkeyPatch) -> Become:
    """Become a user who may do only these actions, on this test's secrets; the user's ARN."""

    def become(*actions: str, resource: str = f"{place}*") -> str:
        arn, keys = ministack.user(resource, *actions)
        for name, key in keys.items():
            monkeypatch.setenv(name, key)
        return arn

    return become


def test_the_documented_policy_suffices(ministack: Emulator, place: str, as_user: Become) -> None:
    as_user(*ALL_ACTIONS, resource=f"{place}/*")
    store = ministack.open(f"{place}/")
    assert store.load(ADA) is None
    version = store.save(ADA, EXAMPLE, None)
    store.save(ADA, Record(refresh_token="newer"), version)
    with pytest.raises(StoreDeniedError, match="secretsmanager:ListSecrets"):
        store.accounts()


def test_without_description_restoration_and_creation_an_existing_secret_still_works(
    ministack: Emulator,
    place: str,
    as_user: Become,
) -> None:
    ministack.client().create_secret(Name=f"{place}/{ADA}")
    as_user("GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
    store = ministack.open(f"{place}/")
    version = store.save(ADA, EXAMPLE, None)
    store.save(ADA, Record(refresh_token="newer"), version)
    with pytest.raises(StoreDeniedError, match="secretsmanager:CreateSecret"):
        store.save(BOB, EXAMPLE, None)


@pytest.mark.parametrize("missing", ["GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage", "CreateSecret"])
def test_a_denial_names_the_permission_and_who_lacks_it(
    ministack: Emulator,
    place: str,
    as_user: Become,
    missing: str,
) -> None:
    version = None if missing == "CreateSecret" else ministack.open(f"{place}/").save(ADA, EXAMPLE, None)
    arn = as_user(*(action for action in ALL_ACTIONS if action != missing))
    store = ministack.open(f"{place}/")
    with pytest.raises(StoreDeniedError) as denied:
        store.save(ADA, Record(refresh_token="newer"), version)
    assert f"{arn} lacks the permission secretsmanager:{missing}" in str(denied.value)
    if version is not None:
        assert json.loads(value(ministack, f"{place}/{ADA}"))["record"]["refresh_token"] == EXAMPLE.refresh_token


def test_deleting_is_not_for_the_proxys_role(ministack: Emulator, place: str, as_user: Become) -> None:
    version = ministack.open(f"{place}/").save(ADA, EXAMPLE, None)
    arn = as_user(*ALL_ACTIONS, resource=f"{place}/*")
    store = ministack.open(f"{place}/")
    with pytest.raises(StoreDeniedError, match=f"{arn} lacks the permission secretsmanager:DeleteSecret"):
        store.delete(ADA)
    stored = store.load(ADA)
    assert stored is not None
    assert stored.version == version
    as_user("GetSecretValue", "DeleteSecret", resource=f"{place}/*")
    assert ministack.open(f"{place}/").delete(ADA)


def test_another_prefix_is_denied(ministack: Emulator, place: str, as_user: Become) -> None:
    as_user(*ALL_ACTIONS, resource=f"{place}/*")
    with pytest.raises(StoreDeniedError, match="secretsmanager:GetSecretValue"):
        ministack.open(f"{place}-other/").load(ADA)


def test_the_classic_policy_keeps_the_document_working(
    ministack: Emulator,
    place: str,
    as_user: Become,
    caplog: pytest.LogCaptureFixture,
) -> None:
    as_user("GetSecretValue", "PutSecretValue", "CreateSecret")
    store = ministack.open(place)
    version = store.save(ADA, EXAMPLE, None)
    store.save(BOB, EXAMPLE, None)
    store.save(ADA, Record(refresh_token="newer"), version)
    assert json.loads(value(ministack, place)) == {
        ADA: {"refresh_token": "newer"},
        BOB: EXAMPLE.to_options(CACHED_OPTIONS),
    }
    assert caplog.text.count("a second proxy's change at the same moment would be lost") == 1
    assert "secretsmanager:UpdateSecretVersionStage" in caplog.text


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_credentials_that_are_not_accepted(
    ministack: Emulator,
    place: str,
    as_user: Become,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_user(*ALL_ACTIONS)
    monkeypatch.setenv(name, "AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(StoreDeniedError, match="does not accept the credentials from env"):
        ministack.open(f"{place}/").load(ADA)


def test_nothing_logged_is_secret_at_any_level(
    emulator: Emulator, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        store = emulator.open(f"{place}/")
        version = store.save(ADA, EXAMPLE, None)
        store.save(ADA, Record(refresh_token="newer"), version)
        store.load(ADA)
    assert "AWS credentials from env, region eu-central-1" in caplog.text
    assert caplog.text.count("AWS credentials from") == 1
    for name, text in EXAMPLE.to_options().items():
        assert text.isdigit() or text not in caplog.text, name
