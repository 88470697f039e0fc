"""The Key Vault store keeps the contract: the SDK's own client on a vault of ours, without leases and with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emailproxy.store.base import Record
from emailproxy.store.document import lasting
from emailproxy.testing.store_contract import StoreContract
from tests.stores.conftest import cannot

try:
    import azure.identity
    import azure.keyvault.secrets  # noqa: F401 - to tell a missing SDK from a failing store
except ImportError as error:
    cannot(f"the Azure SDK is not installed ({error})")

from emailproxy_backends.azure import open_store
from tests.stores.azure_vault import FakeVault, running_vault
from tests.stores.azurite import Azurite, azurite

__all__ = ["azurite"]


class VaultContract(StoreContract):
    """The contract over a vault of ours, and over stores that the test closes."""

    options = ""
    settling: float | None = 0.0
    """Seconds instead of the store's own; nothing here competes between instances unless there is a lease."""

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with running_vault(tmp_path) as (self.vault, self.ca):
            monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", self.vault.tokens_url)
            self.opened: list[Any] = []
            yield
            for store in self.opened:
                store.close()

    vault: FakeVault
    ca: Path

    def kept(self, record: Record) -> Record:
        return lasting(record)

    def open_store(self) -> Any:
        store: Any = open_store(f"unit-tests/mail?endpoint={self.vault.url}&ca={self.ca}{self.options}")
        if self.settling is not None:
            store._settling = self.settling
        self.opened.append(store)
        return store


class TestKeyVault(VaultContract):
    def guards_other_instances(self) -> bool:
        return False  # Key Vault has no conditional write; docs/stores.md says what that means


class TestKeyVaultWithLease(VaultContract):
    """Here instances compete as processes would: each with its own locks, and nothing in common but vault and blobs."""

    @pytest.fixture(autouse=True)
    def _container(self, _place: None, azurite: Azurite) -> None:
        self.options = f"&lease={azurite.new_container()}"
        self.ca.write_bytes(self.ca.read_bytes() + azurite.ca.read_bytes())
        # Competitors hold a lease only for as long as a write takes; on two cores a comparison takes a while.
        self.vault.delay = 0.002
