"""How do the tests of the Google store open one? On a fake of its own for each test, without pauses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from emailproxy.store.base import Record
from emailproxy_backends import gcp_calls, gcp_secrets
from emailproxy_backends.gcp import open_store
from emailproxy_backends.gcp_store import SecretManagerStore

from .gcp_fake import Answer, FakeSecretManager, Rule, serving

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
