"""What becomes of Key Vault's refusals, delays and lost answers? The SDK's own client against a vault of ours."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from emailproxy.store.base import (
    Record,
    StoreConflictError,
    StoreContentError,
    StoreDeniedError,
    StoreTooLargeError,
    StoreUnavailableError,
)
from emailproxy.store.document import lasting
from emailproxy.testing.store_contract import EXAMPLE
from tests.patience import HANG
from tests.stores.conftest import cannot

try:
    import azure.identity
    import azure.keyvault.secrets  # noqa: F401 - to tell a missing SDK from a failing store
except ImportError as error:
    cannot(f"the Azure SDK is not installed ({error})")

from emailproxy_backends import azure_calls, azure_store
from emailproxy_backends.azure import open_store
from emailproxy_backends.azure_address import parsed_address
from emailproxy_backends.azure_calls import Deadline
from tests.stores.azure_opened import NAME, NEWER, USER, Open, opened, refusing, vault
from tests.stores.azure_vault import Answer, FakeVault, forbidden, refusal
from tests.stores.azurite import Azurite, azurite

__all__ = ["azurite", "opened", "vault"]


def test_reads_and_writes_cost_what_the_documentation_says(vault: FakeVault, opened: Open) -> None:
    store = opened()
    version = store.save(USER, EXAMPLE, None)
    assert vault.requests == {"GET secrets": 2, "PUT secrets": 1}
    vault.requests.clear()
    assert store.save(USER, dataclasses.replace(EXAMPLE, access_token="other", last_activity=1), version) == version
    assert vault.requests == {"GET secrets": 1}
    vault.requests.clear()
    store.load(USER)
    assert vault.requests == {"GET secrets": 1}


def test_documents_and_tags_hold_no_more_than_they_should(vault: FakeVault, opened: Open) -> None:
    store = opened()
    first = store.save(USER, EXAMPLE, None)
    store.save(USER, NEWER, first)
    assert list(vault.secrets) == [NAME]
    one, two = vault.secrets[NAME]
    assert (one.tags, two.tags) == ({"replaces": "nothing"}, {"replaces": first})
    assert str(EXAMPLE.access_token) not in one.value


def test_too_large_is_refused_before_anything_is_sent(vault: FakeVault, opened: Open) -> None:
    store = opened()
    with pytest.raises(StoreTooLargeError, match="25600"):
        store.save(USER, Record(refresh_token="x" * 25_600), None)
    assert not vault.requests
    room = 25_600 - len(f'{{"account":"{USER}","record":{{"refresh_token":""}},"v":1}}')
    store.save(USER, Record(refresh_token="x" * room), None)
    with pytest.raises(StoreTooLargeError):
        store.save("r" + USER[1:], Record(refresh_token="x" * (room + 1)), None)


@pytest.mark.parametrize("value", ["", "not JSON", '{"v":3,"record":{}}', '{"v":1,"account":"other","record":{}}'])
def test_foreign_content_is_never_overwritten(vault: FakeVault, opened: Open, value: str) -> None:
    store = opened()
    version = store.save(USER, EXAMPLE, None)
    vault.secrets[NAME][-1].value = value
    for expected in (None, version):
        with pytest.raises(StoreContentError):
            store.save(USER, EXAMPLE, expected)
    with pytest.raises(StoreContentError):
        store.load(USER)
    assert len(vault.secrets[NAME]) == 1
    assert vault.requests["PUT secrets"] == 1


@pytest.mark.parametrize(
    ("method", "answer", "kind", "message"),
    [
        ("GET", forbidden(), StoreDeniedError, r"managed identity.*\(appid aa.*, oid bb.*secrets/getSecret/action"),
        ("PUT", forbidden(), StoreDeniedError, r"secrets/setSecret/action \(Forbidden/ForbiddenByRbac\)"),
        ("GET", forbidden("ForbiddenByFirewall"), StoreDeniedError, "firewall"),
        ("GET", forbidden("SecretDisabled"), StoreDeniedError, "disabled; enable"),
        ("GET", refusal(401, "Unauthorized", "AKV10032"), StoreDeniedError, "does not accept the token"),
        ("PUT", refusal(400, "BadParameter"), StoreDeniedError, "refuses the request .BadParameter"),
        ("GET", refusal(404, "NotFound"), StoreDeniedError, "refuses the request .NotFound"),
        ("GET", (404, None, {}), StoreDeniedError, "refuses the request .HTTP 404"),
        ("GET", (302, None, {"Location": "https://127.0.0.1:9/"}), StoreUnavailableError, "is not the service"),
        ("GET", refusal(503, "Unavailable"), StoreUnavailableError, "trouble of its own"),
        ("GET", refusal(429, "Throttled"), StoreUnavailableError, "is throttling"),
        ("GET", refusal(429, "Throttled", Retry_After="60"), StoreUnavailableError, "asks to wait 60 s"),
        ("PUT", refusal(409, "Conflict", "ObjectIsBeingDeleted"), StoreUnavailableError, "being recovered or deleted"),
    ],
)
def test_refusals(
    vault: FakeVault,
    opened: Open,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    answer: Answer,
    kind: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr(azure_store, "WRITE_SECONDS", 2.5)
    store = opened()
    version = store.save(USER, EXAMPLE, None)
    vault.trouble = refusing(method, answer)
    begun = time.monotonic()
    with pytest.raises(kind, match=message) as caught:
        store.save(USER, NEWER, version)
    assert time.monotonic() - begun < 30, "the SDK tries for minutes"
    assert "gAAAA" not in str(caught.value)
    assert caught.value.__cause__ is None
    vault.trouble = lambda method, path: None
    # Another store, which has not been asked to wait.
    stored = opened().load(USER)
    assert (stored.record, stored.version) == (lasting(EXAMPLE), version)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_what_passes_is_tried_again(vault: FakeVault, opened: Open, method: str, status: int) -> None:
    store = opened()
    vault.trouble = refusing(method, refusal(status, "Passing", Retry_After="0"), times=2)
    version = store.save(USER, EXAMPLE, None)
    assert store.load(USER).version == version
    assert len(vault.secrets[NAME]) == 1


def test_a_wait_that_the_service_asks_for_is_kept(vault: FakeVault, opened: Open) -> None:
    store = opened()
    store.save(USER, EXAMPLE, None)
    vault.trouble = refusing("GET", refusal(429, "Throttled", Retry_After="1"), times=1)
    begun = time.monotonic()
    assert store.load(USER) is not None
    assert time.monotonic() - begun >= 1.0


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry_After": "3"}, 3.0),
        ({"retry_after_ms": "700"}, 0.7),
        ({"Retry_After": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
        ({"Retry_After": "soon"}, azure_calls.PAUSE),
    ],
)
def test_a_wait_may_be_told_in_other_ways(
    vault: FakeVault, opened: Open, headers: dict[str, str], pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    store.load(USER)
    vault.trouble = refusing("GET", refusal(429, "Throttled", **headers), times=1)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert store.load(USER) is None
    # What is left of it is looked at again before the next attempt, since another call may have been asked to wait.
    assert max(slept) == pytest.approx(pause)


def test_a_wait_that_is_too_long_for_one_is_kept_by_all(vault: FakeVault, opened: Open) -> None:
    store = opened()
    store.load(USER)
    vault.trouble = refusing("GET", refusal(429, "Throttled", Retry_After="60"), times=1)
    with pytest.raises(StoreUnavailableError, match="asks to wait 60 s"):
        store.load(USER)
    asked = vault.requests.total()
    told = r"is throttling, and asks to wait (60|59) s more"
    with pytest.raises(StoreUnavailableError, match=told):
        store.load("other@example.com")
    with pytest.raises(StoreUnavailableError, match=told):
        store.save(USER, EXAMPLE, None)
    assert vault.requests.total() == asked


def test_a_write_whose_answer_got_lost_is_not_repeated(vault: FakeVault, opened: Open) -> None:
    store = opened()
    version = store.save(USER, EXAMPLE, None)
    vault.lost_answers = 1
    version = store.save(USER, NEWER, version)
    assert len(vault.secrets[NAME]) == 2
    assert store.load(USER).version == version


def test_a_competitor_that_compared_with_the_same_version(vault: FakeVault, opened: Open) -> None:
    """The earlier of the two writers looks again, and learns that it lost."""
    slow, fast = opened(), opened(settling=0.6)
    version = slow.save(USER, EXAMPLE, None)
    compared, go_on = threading.Event(), threading.Event()
    put = slow._client.set_secret

    def late(*arguments: Any, **options: Any) -> Any:
        compared.set()
        go_on.wait(HANG)
        return put(*arguments, **options)

    slow._client.set_secret = late
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(slow.save(USER, NEWER, version)))
    thread.start()
    compared.wait(HANG)
    timer = threading.Timer(0.2, go_on.set)
    timer.start()
    with pytest.raises(StoreConflictError):
        fast.save(USER, dataclasses.replace(EXAMPLE, refresh_token="fast"), version)
    thread.join()
    stored = fast.load(USER)
    assert (stored.record, [stored.version]) == (lasting(NEWER), results)


def test_a_successor_that_read_our_record_is_no_conflict(opened: Open) -> None:
    one, other = opened(settling=0.6), opened()
    version = one.save(USER, EXAMPLE, None)

    def follow() -> None:
        for token in ("second", "third"):
            stored = other.load(USER)
            other.save(USER, dataclasses.replace(EXAMPLE, refresh_token=token), stored.version)

    timer = threading.Timer(0.2, follow)
    timer.start()
    one.save(USER, NEWER, version)
    timer.join()
    assert one.load(USER).record.refresh_token == "third"


def test_listing(vault: FakeVault, opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    store = opened()
    users = [f"user{number}@example.com" for number in range(8)]
    for user in users:
        store.save(user, EXAMPLE, None)
    version = vault.secrets[parsed_address("vault/mail").secret(users[0])][-1]
    foreign = "mail-" + "a" * 52
    vault.secrets[foreign] = [dataclasses.replace(version)]
    vault.secrets["unrelated"] = [dataclasses.replace(version)]
    vault.secrets[parsed_address("vault/mail-archive").secret(users[0])] = [dataclasses.replace(version)]
    vault.secrets[parsed_address("vault/mail").secret(users[1])][-1].enabled = False
    assert store.accounts() == [user for user in users if user != users[1]]
    assert f"the secret {foreign} was not written by emailproxy" in caplog.text
    vault.requests.clear()
    store.accounts()
    assert vault.requests["GET secrets"] == 1, "documents are read for their names once; only the foreign one again"
    vault.trouble = refusing("GET", forbidden())
    with pytest.raises(StoreDeniedError, match="secrets/readMetadata/action"):
        store.accounts()


def test_a_vault_that_is_not_there(vault: FakeVault) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        open_store("vault/mail?endpoint=https://127.0.0.1:9").load(USER)


def test_a_certificate_that_is_not_trusted(opened: Open) -> None:
    with pytest.raises(StoreUnavailableError, match=r"its certificate is not trusted.*\?ca="):
        opened(ca=None).load(USER)


def test_an_audience_of_another_domain_gets_no_token(vault: FakeVault, opened: Open) -> None:
    """Without an explicit endpoint the SDK compares the challenge's audience with the vault's name."""
    from azure.keyvault.secrets import SecretClient

    store = opened()
    credential = store._calls.identity.credential()
    store._client = SecretClient(vault.url, credential, connection_verify=store._address.ca, retry_total=0)
    # The address has to be one that no test of this process came to with its audience unchecked.
    with pytest.raises(StoreDeniedError, match="no vault of this cloud"):
        store.load(USER)
    assert vault.token_queries == []


def test_a_lease_that_another_one_holds(
    vault: FakeVault, opened: Open, azurite: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "both.pem").write_bytes((tmp_path / "ca.pem").read_bytes() + azurite.ca.read_bytes())
    monkeypatch.setattr(azure_store, "WRITE_SECONDS", 3.0)
    options = f"&lease={azurite.new_container()}"
    one, other = opened(options, ca="both.pem"), opened(options, ca="both.pem")
    version = one.save(USER, EXAMPLE, None)
    with one._lease.held(NAME, Deadline(5)):
        with pytest.raises(StoreUnavailableError, match="held by another process"):
            other.save(USER, NEWER, version)
        other.save("somebody@example.com", NEWER, None)
    version = other.save(USER, NEWER, version)
    # After an unknown outcome the lease is not given back.
    vault.trouble = refusing("PUT", refusal(503, "Unavailable"))
    with pytest.raises(StoreUnavailableError, match="trouble of its own"):
        one.save(USER, EXAMPLE, version)
    vault.trouble = lambda method, path: None
    with pytest.raises(StoreUnavailableError, match="held by another process"):
        other.save(USER, EXAMPLE, version)


def test_a_container_that_is_not_there(opened: Open, azurite: Azurite, tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_bytes((tmp_path / "ca.pem").read_bytes() + azurite.ca.read_bytes())
    store = opened(f"&lease={azurite.url}/devstoreaccount1/missing", ca="both.pem")
    with pytest.raises(StoreDeniedError, match="ContainerNotFound"):
        store.save(USER, EXAMPLE, None)
    assert store.load(USER) is None


def test_many_threads_may_come_first(vault: FakeVault, opened: Open) -> None:
    """Each is told to authenticate, while the SDK shares one token among them."""
    store = opened()
    outcomes: list[object] = []
    ready = threading.Barrier(16)

    def first() -> None:
        ready.wait(HANG)
        try:
            outcomes.extend(store.load(USER) for _ in range(5))
        except BaseException as error:  # noqa: BLE001 - a thread's failure is reported by the test
            outcomes.append(error)

    threads = [threading.Thread(target=first) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [None] * 80
