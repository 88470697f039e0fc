"""How are records kept in the one JSON document of the classic proxy? Exactly as it does, and nobody's change is lost.

``{"user@example.com": {"token_salt": "…", "token_iterations": "1200000", "access_token": "…", …}, …}``, all values
texts. Whatever else the document holds, entries and options, stays.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from emailproxy.store.base import (
    CACHED_OPTIONS,
    Record,
    StoreConflictError,
    StoreContentError,
    Stored,
    StoreTooLargeError,
    StoreUnavailableError,
    Version,
)
from emailproxy_backends.aws_secret import SIZE_LIMIT, Held, Secrets

__all__ = ["DocumentStore"]

DESCRIPTION: Final = "emailproxy: sealed OAuth 2.0 tokens, one entry for each account"

# Less than the write deadline of CachedStore (15 s), so that this message wins.
LOCK_SECONDS: Final = 10.0

_Document = dict[str, dict[str, object]]


class DocumentStore:
    """A `CacheStore` in one secret. Thread-safe, and safe with other proxies on the same document.

    An account's entry is found by its exact name, or else by its name without regard to case, as in a file. A version
    is a hash of the account's entry, since other accounts' changes are none of its business.
    """

    bills_writes = True
    """The service keeps 100 versions of a secret, and asks for no more than one in ten minutes."""
    deletion = "its entry leaves the document, of which AWS keeps earlier versions for a while"

    def __init__(self, address: str, name: str, secrets: Secrets) -> None:
        self._address = address
        self._name = name
        self._secrets = secrets
        # The threads of a process need not compete by versions, of which the service allows 100 a day.
        self._writing = threading.Lock()

    def __repr__(self) -> str:
        return f"<DocumentStore {self.address}>"

    @property
    def address(self) -> str:
        """``aws:NAME`` or ``aws:PROFILE||NAME``."""
        return self._address

    def load(self, account: str) -> Stored | None:
        """The account's record, from the document as it is now.

        Raises:
            StoreContentError: the secret is no document of this kind, or the entry is damaged.
            StoreError: the service could not tell.
        """
        held = self._secrets.read(self._name)
        return None if held is None or held.deleted else self._stored(self._document(held), account)

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the account's cached options in its entry, or add one.

        Raises:
            StoreConflictError: the entry is no longer what `expected` names.
            StoreTooLargeError: the document would exceed the service's limit.
            StoreContentError: as `load`.
            StoreError: the service did not write it.
        """
        wanted = {name: text for name, text in record.to_options(CACHED_OPTIONS).items() if text}

        def change(held: Held | None) -> str | None:
            document = self._document(held) if held is not None else {}
            stored = self._stored(document, account)
            # A record without content and no record look the same in a document.
            versions: set[Version | None] = {stored.version} if stored else {None, _version({})}
            # What was marked for deletion was no record when the caller looked.
            if held is not None and held.deleted:
                versions.add(None)
            if expected not in versions:
                raise StoreConflictError(f"{self.address}: the record of {account} changed meanwhile; read it again")
            entry = _entry(document, account)
            if held is not None and not held.deleted and wanted == self._cached(document, entry):
                return None
            return self._written(document, account if entry is None else entry, wanted)

        with self._alone():
            self._secrets.update(self._name, change, DESCRIPTION)
        return _version(wanted)

    def delete(self, account: str) -> bool:
        """Remove the account's cached options from its entry, and the entry too if it holds nothing else.

        Raises:
            StoreContentError: the secret is no document of this kind.
            StoreError: as `save`.
        """
        existed = False

        def change(held: Held | None) -> str | None:
            nonlocal existed
            document = self._document(held) if held is not None and not held.deleted else {}
            entry = _entry(document, account)
            # A value that is no text is damage, which may go as well.
            existed = entry is not None and any(document[entry].get(name) for name in CACHED_OPTIONS)
            return self._written(document, entry, {}) if existed and entry is not None else None

        with self._alone():
            self._secrets.update(self._name, change, DESCRIPTION)
        return existed

    def accounts(self) -> list[str]:
        """The names of the entries that hold a cached option.

        Raises:
            StoreError: as `load`.
        """
        held = self._secrets.read(self._name)
        if held is None or held.deleted:
            return []
        document = self._document(held)
        return sorted(name for name in document if self._cached(document, name))

    def close(self) -> None:
        """Close the connections."""
        self._secrets.service.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._writing.acquire(timeout=LOCK_SECONDS):
            raise StoreUnavailableError(
                f"{self.address}: other writes have been waiting for AWS for {LOCK_SECONDS:.0f} s"
            )
        try:
            yield
        finally:
            self._writing.release()

    def _document(self, held: Held) -> _Document:
        if held.text is None:
            return {}
        try:
            document = json.loads(held.text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or not all(isinstance(entry, dict) for entry in document.values()):
            raise StoreContentError(
                f"{self.address} is no document of accounts, so it was not written by emailproxy; it is left as it is"
            )
        return document

    def _stored(self, document: _Document, account: str) -> Stored | None:
        options = self._cached(document, _entry(document, account))
        if not options:
            return None
        try:
            return Stored(Record.from_options(options), _version(options))
        except ValueError as error:
            raise StoreContentError(f"{self.address}: the entry of {account} is damaged: {error}") from None

    def _cached(self, document: _Document, entry: str | None) -> dict[str, str]:
        """The entry's cached options that have a value."""
        found: dict[str, str] = {}
        for name in CACHED_OPTIONS:
            value = document[entry].get(name) if entry is not None else None
            if not isinstance(value, str | None):
                raise StoreContentError(f"{self.address}: the entry of {entry} is damaged: {name} is not text")
            if value:
                found[name] = value
        return found

    def _written(self, document: _Document, entry: str, wanted: Mapping[str, str]) -> str:
        options: dict[str, object] = {
            name: value for name, value in document.get(entry, {}).items() if name not in CACHED_OPTIONS
        }
        after = {name: value for name, value in document.items() if name != entry}
        # The classic proxy leaves out who has nothing, too.
        if merged := {**options, **wanted}:
            after[entry] = merged
        text = json.dumps(after)
        if len(text) > SIZE_LIMIT:
            raise StoreTooLargeError(
                f"{self.address}: the document with the record of {entry} has {len(text)} octets; the service takes "
                f"{SIZE_LIMIT}: keep one secret for each account (aws:PREFIX/)"
            )
        return text


def _entry(document: _Document, account: str) -> str | None:
    """The name of the account's entry as the document spells it."""
    if account in document:
        return account
    folded = account.casefold()
    return next((name for name in document if name.casefold() == folded), None)


def _version(options: Mapping[str, str]) -> Version:
    return Version(hashlib.sha256(json.dumps(sorted(options.items())).encode()).hexdigest())
