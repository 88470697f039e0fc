"""How is one secret read and written so that no write is lost? Compare-and-swap on the alias ``current``.

The alias ``current`` names the version that counts; the secret's etag guards the alias. A save adds a version, which
nobody sees, moves the alias if the etag is still what was read, and destroys what the alias left behind. Adding a
version takes no etag and does not change it, so a version that lost is destroyed again by whoever added it.

What the service makes visible, and when
    Versions are read by number, which is consistent at once. The secret's own metadata, the alias included, may lag
    behind (minutes; hours at worst). What this process wrote or read last is therefore remembered, as numbers only, and
    a metadata answer that is older is not believed. An alias that names a destroyed version is older than another
    replica's write: it is read again, and then the numbers after it are tried. One that names a version which is not
    found is that of a secret that was deleted, since nothing else makes numbers vanish; a secret is told from a later
    one of the same name by the time of its creation.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from emailproxy.store.base import (
    StoreConflictError,
    StoreContentError,
    StoreError,
    StoreUnavailableError,
    Version,
)
from emailproxy_backends.gcp_address import Address
from emailproxy_backends.gcp_calls import Budget, Calls, Refusal, Secret

__all__ = ["Current", "Head", "Secrets", "head_of"]

logger = logging.getLogger("emailproxy.store")

ALIAS: Final = "current"
REREAD_PAUSES: Final = (0.1, 0.3, 0.9)
"""Seconds before each new reading of metadata that is older than what is known: lag is most often short."""
CLEANUP_SECONDS: Final = 3.0
"""For destroying what a write left behind; it is written already, and the client waits."""
PROBES: Final = 8
"""How many numbers after the last known one are tried. Each is a write, and a token is written hourly at most."""

# A version that was destroyed or disabled, or that never was.
_GONE: Final = frozenset({"FAILED_PRECONDITION", "NOT_FOUND"})
# The service documents FAILED_PRECONDITION for a stale etag; ABORTED is what Google's design guide asks for.
_STALE: Final = frozenset({"FAILED_PRECONDITION", "ABORTED"})


@dataclass(frozen=True, slots=True)
class Head:
    """Where a secret's alias points."""

    number: int
    """0: there is no alias yet, hence no record."""
    etag: str
    created: str
    """When the secret was created: numbers begin anew in a secret that was deleted and created again."""
    aliases: Mapping[str, int]
    digest: bytes = b""
    """SHA-256 of the content of version `number`; empty: not read yet."""

    @property
    def version(self) -> Version:
        """The store's name for this state."""
        return Version(f"{self.number}@{self.created}")

    def is_after(self, other: Head) -> bool:
        """Whether this is certainly not an older state than `other`, nor the same. Numbers only grow."""
        return self.created != other.created or self.number > other.number


@dataclass(frozen=True, slots=True)
class Current:
    """The content that counts."""

    text: str
    version: Version


class Secrets:
    """The secrets of one store, by their ids. `who` is the account's name, for messages. Thread-safe.

    All methods raise `Refusal` for an answer that they do not expect, and `StoreError` as said.
    """

    def __init__(self, address: Address, calls: Calls) -> None:
        self._address = address
        self._calls = calls
        self._lock = threading.Lock()
        self._known: dict[str, Head] = {}
        # Versions, by secret, that should have been destroyed and could not be.
        self._leftovers: dict[str, set[int]] = {}
        # When the secret that was found deleted had been created.
        self._deleted: dict[str, str] = {}

    # What is current

    def _head(self, secret_id: str, budget: Budget) -> Head | None:
        """Where the alias points: as the service says, or as is known here if that is newer and still holds."""
        with self._lock:
            known, deleted = self._known.get(secret_id), self._deleted.get(secret_id)
        name = self._address.name(secret_id)
        head: Head | None = None
        try:
            head = head_of(self._calls.get_secret(name, budget))
        except Refusal as refusal:
            if refusal.status != "NOT_FOUND":
                raise
        if head is not None and head.created and head.created == deleted:
            head = None
        if known is None or (head is not None and head.created != known.created):
            return head
        if head is not None and head.number >= known.number:
            return replace(head, digest=known.digest) if head.number == known.number else head
        # The service lags behind, or the secret was deleted: the version itself tells.
        try:
            self._calls.access(name, known.number, budget)
        except Refusal as refusal:
            if refusal.status not in _GONE:
                raise
            self._forget(secret_id, known)
            return head
        return known

    def current(self, secret_id: str, who: str, budget: Budget) -> Current | None:
        """The content that counts, or None if there is no record.

        Raises:
            StoreContentError: the version that counts cannot be read any more, or is no text.
            StoreUnavailableError: it cannot be told yet which version counts.
        """
        name = self._address.name(secret_id)
        pauses = iter(REREAD_PAUSES)
        gone: Head | None = None
        vanished = False
        while True:
            head = self._head(secret_id, budget)
            if head is None or not head.number:
                return None
            if gone is not None and not head.is_after(gone):
                pause = next(pauses, None)
                if pause is None or not budget.sleep(pause):
                    if vanished:
                        self._note_deletion(secret_id, gone)
                        return None
                    return self._probed(secret_id, who, gone, budget)
                continue
            try:
                content = self._calls.access(name, head.number, budget)
            except Refusal as refusal:
                if refusal.status not in _GONE:
                    raise
                self._forget(secret_id, head)
                gone, vanished = head, refusal.status == "NOT_FOUND"
                continue
            text = self._text(who, content)
            self._learn(secret_id, replace(head, digest=_digest(text)))
            return Current(text, head.version)

    def _probed(self, secret_id: str, who: str, head: Head, budget: Budget) -> Current:
        """The content of the one readable version after `head`, which is gone.

        A version is destroyed only after the alias moved on, so what is current is among them; a version that another
        replica just added, or left behind when it died, may be too, and then nobody can tell.
        """
        name = self._address.name(secret_id)
        readable: list[Current] = []
        for number in range(head.number + 1, head.number + 1 + PROBES):
            try:
                content = self._calls.access(name, number, budget)
            except Refusal as refusal:
                if refusal.status == "NOT_FOUND":
                    break
                if refusal.status != "FAILED_PRECONDITION":
                    raise
                continue
            readable.append(Current(self._text(who, content), replace(head, number=number).version))
        if not readable:
            raise StoreContentError(
                f"{self._address.text}: version {head.number} of {name}, which holds the record of {who}, is disabled"
                " or destroyed, or its KMS key cannot be used; enable it, or delete the secret and authorise again"
            )
        if len(readable) > 1:
            raise StoreUnavailableError(
                f"{self._address.text}: {name} was just written, and the service does not show yet which"
                " version is current"
            )
        return readable[0]

    def listed(self, secret_id: str, secret: Secret, budget: Budget) -> str | None:
        """The content that counts of a secret as a list shows it; None if there is no record."""
        head = head_of(secret)
        if not head.number:
            return None
        try:
            content = self._calls.access(self._address.name(secret_id), head.number, budget)
        except Refusal as refusal:
            if refusal.status not in _GONE:
                raise
            # The list is older than a write.
            current = self.current(secret_id, secret_id, budget)
            return current.text if current is not None else None
        return self._text(secret_id, content)

    # Writing

    def swap(self, secret_id: str, who: str, text: str, expected: Version | None, budget: Budget) -> Version:
        """Make `text` the content that counts if the version still is `expected`; nothing is written if it does now.

        Raises:
            StoreConflictError: the version is another one.
            StoreUnavailableError: it is not known (yet) what is current, or whether the write was carried out.
        """
        if expected is None:
            head = self._head(secret_id, budget) or self._created(secret_id, who, budget)
            if head.number:
                raise self._conflict(who)
        else:
            head = self._expected(secret_id, who, expected, budget)
            if self._digest_of(secret_id, who, head, budget) == _digest(text):
                return head.version
        return self._write(secret_id, who, text, head, budget)

    def delete(self, secret_id: str, who: str, check: Callable[[str], None], budget: Budget) -> bool:
        """Delete the secret, whatever is current; False if there is no record.

        Args:
            secret_id: which secret.
            who: the account's name, for messages.
            check: raises if this content must stay; what it saw is what is deleted.
            budget: seconds for all of it.

        Raises:
            StoreUnavailableError: it changes faster than it can be checked.
            StoreError: as `current`.
        """
        for pause in (*REREAD_PAUSES, None):
            current = self.current(secret_id, who, budget)
            if current is None:
                return False
            check(current.text)
            with self._lock:
                known = self._known.get(secret_id)
            # Found by trying numbers: then no etag is known, and none is asked for.
            etag = known.etag if known is not None and known.version == current.version else ""
            try:
                self._calls.delete(self._address.name(secret_id), etag, budget)
            except Refusal as refusal:
                if refusal.status in _STALE:
                    if pause is None or not budget.sleep(pause):
                        break
                    continue
                # Not found: somebody was faster, or the answer to our first attempt got lost.
                if refusal.status != "NOT_FOUND":
                    raise
            if known is not None:
                self._note_deletion(secret_id, known)
            return True
        raise StoreUnavailableError(
            f"{self._address.text}: the record of {who} is being written; it was not deleted, try again"
        )

    def _expected(self, secret_id: str, who: str, expected: Version, budget: Budget) -> Head:
        """The head if it is `expected`; the service gets some time to show what this process knows already."""
        text, _, created = expected.partition("@")
        wanted = Head(int(text) if text.isdecimal() else 0, "", created, {})
        pauses = iter(REREAD_PAUSES)
        while True:
            head = self._head(secret_id, budget)
            if head is not None and head.version == expected:
                return head
            if head is None or head.is_after(wanted):
                raise self._conflict(who)
            pause = next(pauses, None)
            if pause is None or not budget.sleep(pause):
                raise StoreUnavailableError(
                    f"{self._address.text}: the service does not show yet what was last written for {who}; nothing was"
                    " written"
                )

    def _created(self, secret_id: str, who: str, budget: Budget) -> Head:
        """A new secret; or the one that somebody else created a moment ago, or left unfinished."""
        try:
            return head_of(self._calls.create(secret_id, _new_secret(self._address), budget))
        except Refusal as refusal:
            if refusal.status != "ALREADY_EXISTS":
                raise
        head = self._head(secret_id, budget)
        if head is None:
            raise StoreUnavailableError(
                f"{self._address.text}: the secret of {who} was just created, and the service does not show it yet"
            )
        return head

    def _digest_of(self, secret_id: str, who: str, head: Head, budget: Budget) -> bytes:
        """The digest of what is kept now."""
        if not head.digest:
            try:
                content = self._calls.access(self._address.name(secret_id), head.number, budget)
            except Refusal as refusal:
                if refusal.status in _GONE:
                    raise self._conflict(who) from None
                raise
            head = replace(head, digest=hashlib.sha256(content).digest())
        return head.digest

    def _write(self, secret_id: str, who: str, text: str, head: Head, budget: Budget) -> Version:
        """Add a version and move the alias to it, or leave everything as it was."""
        name = self._address.name(secret_id)
        if not head.etag:
            raise StoreUnavailableError(
                f"{self._address.text}: the service gives no etag, so nothing can be written safely"
            )
        try:
            number = self._calls.add_version(name, text.encode(), budget)
        except Refusal as refusal:
            if refusal.status == "NOT_FOUND":
                self._forget(secret_id, head)
                raise self._conflict(who) from None
            raise
        try:
            secret = self._calls.set_aliases(name, head.etag, {**head.aliases, ALIAS: number}, budget)
            now = head_of(secret)
        except Refusal as refusal:
            if refusal.repeated:
                now = self._found_out(secret_id, who, number, refusal, budget)
            else:
                # A clean no: our version is nobody's, whatever the reason.
                self._destroy(secret_id, {number})
                if refusal.status in _STALE or refusal.status == "NOT_FOUND":
                    raise self._conflict(who) from None
                raise
        now = replace(now, number=number, digest=_digest(text))
        self._learn(secret_id, now)
        # All numbers from the old one on are garbage: what was current, and versions that lost or were left behind.
        # (Of a secret without an alias nothing is known: somebody may have put something into it.)
        if head.number:
            self._destroy(secret_id, set(range(head.number, number)))
        return now.version

    def _found_out(self, secret_id: str, who: str, number: int, refusal: Refusal, budget: Budget) -> Head:
        """The head, if our version turns out to be current although the answer to the decisive call got lost.

        Unless it is certain that our version is not current, it is not destroyed.
        """
        now: Head | None = None
        with contextlib.suppress(Refusal):
            now = head_of(self._calls.get_secret(self._address.name(secret_id), budget))
        if now is not None and now.number == number:
            return now
        if now is not None and now.number > number:
            self._destroy(secret_id, {number})
            raise self._conflict(who)
        raise StoreUnavailableError(
            f"{self._address.text}: it is not known whether the record of {who} was written ({refusal.status}); a later"
            " read will tell"
        )

    def _destroy(self, secret_id: str, numbers: set[int]) -> None:
        """Destroy versions; what fails is logged and tried again with the next write of this account."""
        name = self._address.name(secret_id)
        budget = Budget(CLEANUP_SECONDS)
        with self._lock:
            numbers = numbers | self._leftovers.pop(secret_id, set())
        remaining = set(numbers)
        try:
            for number in sorted(numbers):
                try:
                    self._calls.destroy(name, number, budget)
                except Refusal as refusal:
                    if refusal.status not in _GONE:
                        raise refusal.failure from None
                remaining.discard(number)
        except StoreError as error:
            with self._lock:
                self._leftovers.setdefault(secret_id, set()).update(remaining)
            logger.warning(
                "%s: old versions %s of %s could not be destroyed and can still be read: %s",
                self._address.text,
                ", ".join(map(str, sorted(remaining))),
                name,
                error,
            )

    # What this process knows

    def _learn(self, secret_id: str, head: Head) -> None:
        with self._lock:
            known = self._known.get(secret_id)
            if known is None or not known.is_after(head) or known.created != head.created:
                self._known[secret_id] = head

    def _note_deletion(self, secret_id: str, head: Head) -> None:
        with self._lock:
            self._known.pop(secret_id, None)
            self._leftovers.pop(secret_id, None)
            self._deleted[secret_id] = head.created

    def _forget(self, secret_id: str, head: Head) -> None:
        with self._lock:
            known = self._known.get(secret_id)
            if known is not None and known.version == head.version:
                del self._known[secret_id]

    def _conflict(self, who: str) -> StoreConflictError:
        return StoreConflictError(f"{self._address.text}: the record of {who} changed meanwhile; read it again")

    def _text(self, who: str, content: bytes) -> str:
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise StoreContentError(
                f"{self._address.text}: what is kept for {who} was not written by emailproxy; it is left as it is"
            ) from None


def head_of(secret: Secret) -> Head:
    """Where the alias points in the service's answer."""
    created = secret.create_time.rfc3339() if secret.create_time else ""
    aliases = dict(secret.version_aliases)
    return Head(aliases.get(ALIAS, 0), secret.etag, created, aliases)


def _new_secret(address: Address) -> dict[str, object]:
    """A secret as it is created. Nothing in it names the account: whoever may list secrets reads labels."""
    labels = {"managed-by": "emailproxy"}
    keys = [{"customer_managed_encryption": {"kms_key_name": key}} for key in address.kms_keys]
    if address.location:
        return {"labels": labels, **(keys[0] if keys else {})}
    if not address.replication:
        return {"labels": labels, "replication": {"automatic": keys[0] if keys else {}}}
    replicas = [{"location": place, **(keys[index] if keys else {})} for index, place in enumerate(address.replication)]
    return {"labels": labels, "replication": {"user_managed": {"replicas": replicas}}}


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
