"""How are records kept in AWS Secrets Manager? One secret per account, or the one document of the classic proxy."""

from __future__ import annotations

import json
import logging
from typing import Final

from emailproxy.store.about import about
from emailproxy.store.base import (
    CacheStore,
    Record,
    StoreConflictError,
    Stored,
    Version,
)
from emailproxy.store.document import check_ours, decode, encode, lasting
from emailproxy_backends.aws_address import is_hashed, named_account, parsed, secret_name
from emailproxy_backends.aws_document import DocumentStore
from emailproxy_backends.aws_secret import SIZE_LIMIT, Held, Secrets

__all__ = ["AccountSecretsStore", "open_store"]

logger = logging.getLogger("emailproxy.store.aws")

# The service's limit of a description.
MAX_DESCRIPTION: Final = 2048


class AccountSecretsStore:
    """A `CacheStore` with one secret for each account, PREFIX/ACCOUNT. Thread-safe, and safe with other proxies.

    A version is the VersionId of the secret's AWSCURRENT.
    """

    bills_writes = True
    """The service keeps 100 versions of a secret, and asks for no more than one in ten minutes."""
    deletion = "AWS keeps it for 30 days, in which it can be restored"

    def __init__(self, address: str, prefix: str, secrets: Secrets) -> None:
        self._address = address
        self._prefix = prefix
        self._secrets = secrets

    def __repr__(self) -> str:
        return f"<AccountSecretsStore {self.address}>"

    @property
    def address(self) -> str:
        """``aws:PREFIX/`` or ``aws:PROFILE||PREFIX/``."""
        return self._address

    def load(self, account: str) -> Stored | None:
        """What lasts of the account's record. A secret that is marked for deletion is none.

        Raises:
            StoreContentError: the secret was not written by emailproxy, or not for this account.
            StoreError: the service could not tell.
        """
        held = self._secrets.read(secret_name(self._prefix, account))
        if held is None or held.deleted or held.version is None or held.text is None:
            return None
        return Stored(decode(account, held.text, where=self.address), Version(held.version))

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the account's secret, or create it; nothing is written if what lasts of the record is there already.

        Raises:
            StoreConflictError: the secret is no longer what `expected` names.
            StoreTooLargeError: the record exceeds the service's limit.
            StoreContentError: as `load`.
            StoreError: the service did not write it.
        """
        text = encode(account, record, limit=SIZE_LIMIT, where=self.address)

        def change(held: Held | None) -> str | None:
            version = held.version if held is not None else None
            # What is marked for deletion is no record, nor was it when the caller looked.
            gone = held is None or held.deleted or held.text is None
            if expected != (None if gone else version):
                raise StoreConflictError(f"{self.address}: the record of {account} changed meanwhile; read it again")
            if held is None or held.text is None:
                return text
            return None if decode(account, held.text, where=self.address) == lasting(record) else text

        name = secret_name(self._prefix, account)
        version = self._secrets.update(
            name, change, f"emailproxy: sealed OAuth 2.0 tokens of {account}"[:MAX_DESCRIPTION]
        )
        assert version is not None, "`change` leaves only what is there"
        return Version(version)

    def delete(self, account: str) -> bool:
        """Mark the account's secret for deletion; the service removes it after 30 days, until then it can be restored.

        Raises:
            StoreDeniedError: without the permission secretsmanager:DeleteSecret, which nothing else needs.
            StoreContentError: the secret was not written by emailproxy, or not for this account; it stays.
            StoreError: it is not certain that the secret is marked.
        """

        def check(held: Held) -> None:
            check_ours(account, held.text or "", where=self.address)

        return self._secrets.delete(secret_name(self._prefix, account), check)

    def accounts(self) -> list[str]:
        """The names of the accounts, as the service lists them: it may be some minutes behind.

        Raises:
            StoreDeniedError: also without the permission secretsmanager:ListSecrets, which nothing else needs.
            StoreError: as `load`.
        """
        found = set()
        for name in self._secrets.service.names(self._prefix):
            account = self._inside(name) if is_hashed(self._prefix, name) else named_account(self._prefix, name)
            if account is not None:
                found.add(account)
        return sorted(found)

    def close(self) -> None:
        """Close the connections."""
        self._secrets.service.close()

    def _inside(self, name: str) -> str | None:
        """The account that a secret named by a hash is of; None if it has gone, or is not one of ours."""
        held = self._secrets.read(name)
        if held is None or held.deleted or held.text is None:
            return None
        try:
            document = json.loads(held.text)
        except ValueError:
            document = None
        account = document.get("account") if isinstance(document, dict) else None
        if not isinstance(account, str) or secret_name(self._prefix, account) != name:
            logger.warning("%s: %s was not written by emailproxy; it is left out", self.address, name)
            return None
        return account


@about(
    ("aws:PREFIX/", "AWS Secrets Manager, one secret for each account; the slash makes the difference"),
    ("aws:NAME-OR-ARN", "AWS Secrets Manager, the one document of the classic proxy"),
    ("aws:PROFILE||…", "either of them with a profile of the AWS configuration files"),
    extra="aws",
    needs=("boto3",),
    parse=parsed,
)
def open_store(rest: str) -> CacheStore:
    """The store for ``aws:…``, given without the prefix. Nothing is asked of the service yet.

    Raises:
        StoreAddressError: the address is malformed, or there is no such profile, or no region.
        ImportError: the SDK is not installed.
    """
    address = parsed(rest)
    from emailproxy_backends.aws_service import SecretsManager

    service = SecretsManager(address)
    if address.per_account:
        return AccountSecretsStore(address.text, address.name, Secrets(address.text, service))
    return DocumentStore(address.text, address.name, Secrets(address.text, service, unconditional_if_denied=True))
