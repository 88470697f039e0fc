"""How do the tests of the Key Vault store open one? On a vault of its own for each test, without pauses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emailproxy.testing.store_contract import EXAMPLE
from emailproxy_backends.azure import open_store
from emailproxy_backends.azure_address import parsed_address
from tests.stores.azure_vault import Answer, FakeVault, running_vault

USER = "user@example.com"
NAME = parsed_address("vault/mail").secret(USER)
NEWER = dataclasses.replace(EXAMPLE, refresh_token="newer")

Open = Callable[..., Any]


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVault]:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with running_vault(tmp_path) as (vault, _ca):
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", vault.tokens_url)
        yield vault


@pytest.fixture
def opened(vault: FakeVault, tmp_path: Path) -> Iterator[Open]:
    stores: list[Any] = []

    def one(options: str = "", settling: float = 0.0, ca: str | None = "ca.pem") -> Any:
        trust = f"&ca={tmp_path / ca}" if ca else ""
        store: Any = open_store(f"vault/mail?endpoint={vault.url}{trust}{options}")
        store._settling = settling
        stores.append(store)
        return store

    yield one
    for store in stores:
        store.close()


def refusing(method: str, answer: Answer, times: int = 10**6, path: str = "/secrets") -> Callable[[str, str], Any]:
    """Trouble for the first requests of a kind."""
    left = [times]

    def trouble(asked: str, where: str) -> Answer | None:
        if asked == method and where.startswith(path) and left[0] > 0:
            left[0] -= 1
            return answer
        return None

    return trouble
