"""The Google store keeps the contract: with the documented status of a stale etag, and with that of the design guide.

Not here: somebody else's emulator. `go install` of blackwell-systems/gcp-secret-manager-emulator was refused by the
module proxy. By its change log it has, since 1.7.0, aliases, and etags whose mismatch is ABORTED: hence `TestAborted`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from emailproxy.store.base import Record
from emailproxy.store.document import lasting
from emailproxy.testing.store_contract import StoreContract

from .conftest import cannot

try:
    from emailproxy_backends.gcp import open_store
    from emailproxy_backends.gcp_store import SecretManagerStore

    from .gcp_fake import FakeSecretManager, serving
except ImportError as error:
    cannot(f"the SDK of Google's Secret Manager is not installed: {error}")


class GoogleContract(StoreContract):
    place: ClassVar[str] = "projects/a-project/secrets/mail"
    stale_status: ClassVar[str] = "FAILED_PRECONDITION"

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        self.opened: list[SecretManagerStore] = []
        self.fake = FakeSecretManager(stale_status=self.stale_status)
        with serving(self.fake) as self.port:
            yield
            for store in self.opened:
                store.close()

    def open_store(self) -> SecretManagerStore:
        self.opened.append(open_store(f"{self.place}?endpoint=http://127.0.0.1:{self.port}"))
        return self.opened[-1]

    def kept(self, record: Record) -> Record:
        return lasting(record)

    def teardown_method(self) -> None:
        """Whatever was tested: each secret has one readable version, the one that counts."""
        for name, kept in self.fake.kept.items():
            assert kept.enabled() == [kept.secret.version_aliases["current"]], name


class TestGlobal(GoogleContract):
    pass


class TestRegional(GoogleContract):
    place = "projects/a-project/locations/europe-west3"


class TestAborted(GoogleContract):
    stale_status = "ABORTED"
