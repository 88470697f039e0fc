"""How are records kept in Google Cloud Secret Manager? One secret per account, its document in the current version.

What a record looks like is in `emailproxy.store.document`; how a secret is read and written safely, in `gcp_secrets`.
"""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from emailproxy.store.base import Record, StoreContentError, Stored, Version
from emailproxy.store.document import check_ours, decode, encode
from emailproxy_backends.gcp_address import Address
from emailproxy_backends.gcp_calls import Budget, Calls, Secret, failures
from emailproxy_backends.gcp_identity import Identity
from emailproxy_backends.gcp_secrets import Secrets

__all__ = ["SecretManagerStore"]

logger = logging.getLogger("emailproxy.store")

LIMIT: Final = 65_536
"""Octets of a version's content: the service's own limit (64 KiB)."""
READ_SECONDS: Final = 9.0
"""For all calls of a read; less than the read deadline of CachedStore (10 s), so that the precise message wins."""
LIST_SECONDS: Final = 280.0
"""The same for a list of the accounts, which reads every document and whose deadline is 300 s."""
WRITE_SECONDS: Final = 11.0
"""The same for a write, whose deadline is 15 s; cleaning up afterwards takes up to 3 s more."""
READERS: Final = 8
"""Threads that read the documents for the list of accounts."""


class SecretManagerStore:
    """A `CacheStore` in Google Cloud Secret Manager; see docs/stores.md for permissions, quotas and costs."""

    bills_writes = True
    """A secret takes two versions a second at the most, and each is billed until it is destroyed."""
    deletion = "it is gone for ever, with all its versions"

    def __init__(self, address: Address) -> None:
        self._address = address
        self._calls = Calls(address, Identity(address.text, anonymous=not address.encrypted))
        self._secrets = Secrets(address, self._calls)

    def __repr__(self) -> str:
        return f"<SecretManagerStore {self.address}>"

    @property
    def address(self) -> str:
        """``gcp:projects/…``, as given."""
        return self._address.text

    def load(self, account: str) -> Stored | None:
        """The account's record.

        Raises:
            StoreDeniedError: a permission is missing, or there are no credentials.
            StoreContentError: the content is foreign or damaged, or its version was disabled or destroyed by hand.
            StoreUnavailableError: network, quota, or an alias so far behind that it cannot be told what is current.
            StoreAddressError: the service does not know the project or the location.
        """
        with failures():
            current = self._secrets.current(self._address.secret_id(account), account, Budget(READ_SECONDS))
        if current is None:
            return None
        return Stored(decode(account, current.text, where=self.address), current.version)

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the account's record if its version still is `expected`; write nothing if the document is the same.

        Raises:
            StoreConflictError: the version is another one.
            StoreTooLargeError: the document exceeds 64 KiB; nothing was sent.
            StoreUnavailableError: as `load`; also when the answer to the decisive call got lost and could not be found
                out, and then a read tells later.
            StoreError: as `load`.
        """
        text = encode(account, record, limit=LIMIT, where=self.address)
        with failures():
            return self._secrets.swap(self._address.secret_id(account), account, text, expected, Budget(WRITE_SECONDS))

    def delete(self, account: str) -> bool:
        """Remove the account's secret with all its versions, for ever.

        Raises:
            StoreDeniedError: without the permission secretmanager.secrets.delete, which nothing else needs.
            StoreContentError: what is there is not ours; it stays.
            StoreUnavailableError: as `load`. It may have been carried out all the same if its answer got lost.
            StoreError: as `load`.
        """

        def check(text: str) -> None:
            check_ours(account, text, where=self.address)

        with failures():
            return self._secrets.delete(self._address.secret_id(account), account, check, Budget(WRITE_SECONDS))

    def accounts(self) -> list[str]:
        """The names of the accounts that have a record, from their documents. What is not ours is left out and logged.

        A record that another process just created may be missing: the service lists with a delay.

        Raises:
            StoreError: as `load`.
        """
        budget = Budget(LIST_SECONDS)
        with failures():
            listed = [(secret.name.rpartition("/")[2], secret) for secret in self._calls.list_secrets(budget)]
            ours = [(secret_id, secret) for secret_id, secret in listed if self._address.is_ours(secret_id)]
            with ThreadPoolExecutor(READERS, thread_name_prefix="gcp-accounts") as pool:
                names = list(pool.map(lambda pair: self._account_of(pair[0], pair[1], budget), ours))
        return sorted(name for name in names if name is not None)

    def close(self) -> None:
        """Close the connection."""
        self._calls.close()

    def _account_of(self, secret_id: str, secret: Secret, budget: Budget) -> str | None:
        """Whose record a listed secret holds; None: no record, or not ours."""
        try:
            text = self._secrets.listed(secret_id, secret, budget)
            if text is None:
                return None
            account = _account_in(text)
            if account is None or self._address.secret_id(account) != secret_id:
                raise StoreContentError(
                    f"{self.address}: the secret {secret_id} was not written by emailproxy; it is left as it is"
                )
            decode(account, text, where=self.address)
        except StoreContentError as error:
            logger.warning("%s", error)
            return None
        return account


def _account_in(text: str) -> str | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    account = document.get("account") if isinstance(document, dict) else None
    return account if isinstance(account, str) else None
