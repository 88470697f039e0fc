"""What do we hold for an account whose password was right? Its tokens, opened, and the key to seal them again."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass, replace
from typing import Final, Protocol

from emailproxy.oauth.app_passwords import AppPasswords
from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.passwords import PasswordDigest
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored, Version

__all__ = ["AHEAD", "LAST_CALL", "AccessToken", "Lease", "Opened", "RecordKey", "lease_in", "open_stored"]

log = logging.getLogger("emailproxy.oauth")


AHEAD: Final = 600.0
"""Seconds before its expiry that a token is refreshed: mail servers end sessions whose token runs out."""
LAST_CALL: Final = 10.0
"""A token that expires sooner than this may be dead when the mail server looks at it."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What the mail server is shown."""

    value: Secret
    expires_at: float
    """Unix time."""

    def serves(self, now: float, margin: float, refused: AccessToken | None) -> bool:
        """Whether it is good for more than `margin` seconds, and is not `refused`."""
        return self.expires_at - now > margin and self.is_not(refused)

    def is_not(self, refused: AccessToken | None) -> bool:
        """Whether this is another token than the one that was refused."""
        return refused is None or self.value != refused.value


class RecordKey(Protocol):
    """Opens and seals the values of one account's record."""

    def seal(self, value: Secret) -> str:
        """The text to store."""
        ...

    def open(self, sealed: str) -> Secret | None:
        """The sealed value; None: this key did not seal it."""
        ...

    def stamped(self, record: Record) -> Record:
        """`record`, bearing what tells which key that was."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """Whose turn it is to refresh, and how long (`emailproxy.oauth.turns`)."""

    owner: str
    until: int
    """Unix time by the owner's clock."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An account's record, opened. A new object for every change; the broker holds the latest."""

    digest: PasswordDigest
    """The password that opens it; of a managed account: what stands for any of its app passwords."""
    key: RecordKey
    base: Record
    """What the store has under `version`; what we do not know or cannot open is carried over from here."""
    version: Version | None
    """What the next save replaces; None: nothing."""
    access: AccessToken | None = None
    refresh: Secret | None = None
    client_secret: Secret | None = None
    """What was in ``client_secret_encrypted``."""
    unsaved: bool = False
    """The store does not have it yet; until then this memory is the truth."""
    deferred: bool = False
    """The store gets the refresh token later, on purpose: its own one stays valid (`emailproxy.oauth.writing`)."""
    dead: str = ""
    """Why the provider refused the refresh token for good; empty: it did not."""
    issued: int | None = None
    """Unix time when the provider gave the refresh token, or was first seen to accept it; None: unknown."""
    lease: Lease | None = None
    passwords: AppPasswords = AppPasswords()  # noqa: RUF009 - frozen
    """Of a managed account."""
    used: str | None = None
    """When they were last used."""

    def belongs_to(self, digest: PasswordDigest) -> bool:
        """Whether `digest` is the password's, in constant time."""
        return hmac.compare_digest(self.digest, digest)

    def renewed(self, response: TokenResponse, now: float) -> Opened:
        """With the tokens of `response`; the refresh token stays if there is no new one. Our turn is over with that."""
        given = response.refresh_token
        return replace(
            self,
            access=AccessToken(response.access_token, now + response.expires_in),
            refresh=given or self.refresh,
            dead="",
            issued=int(now) if given is not None or self.issued is None else self.issued,
            lease=None,
        )

    def joined(self, held: Opened, now: float) -> Opened:
        """What was just read from the store, with what only memory knows: `held`, of the same password.

        A secret manager keeps no access tokens, so ours goes on while it lasts; and a refresh token whose write is
        deferred is newer than what another process wrote before the provider gave it.
        """
        joined = self
        if self.access is None and held.access is not None and held.access.expires_at > now:
            joined = replace(joined, access=held.access)
        if held.deferred and (held.issued or 0) > (self.issued or 0):
            joined = replace(joined, refresh=held.refresh, issued=held.issued, deferred=True)
        return replace(joined, dead=held.dead if held.refresh == joined.refresh else "")

    def sealed(self, *, now: float, client_secret: Secret | None) -> Record:
        """What to store; `client_secret` replaces the sealed one there is. An unchanged value keeps its text."""
        base = self.base
        secret = client_secret or self.client_secret
        record = Record(
            access_token=self._seal(self.access.value, base.access_token) if self.access else None,
            access_token_expiry=int(self.access.expires_at) if self.access else None,
            refresh_token=self._seal(self.refresh, base.refresh_token) if self.refresh else None,
            client_secret_encrypted=(
                self._seal(secret, base.client_secret_encrypted) if secret else base.client_secret_encrypted
            ),
            # Rides along with a save there is anyway: it is for people to look at, not worth a write of its own.
            last_activity=int(now),
            refresh_token_issued=self.issued if self.refresh else None,
            lease_owner=self.lease.owner if self.lease else None,
            lease_until=self.lease.until if self.lease else None,
            app_passwords=self._seal(self.passwords.text, base.app_passwords) if self.passwords.entries else None,
            app_passwords_used=self.used,
            password_check=base.password_check,
        )
        return self.key.stamped(record)

    def _seal(self, value: Secret, before: str | None) -> str:
        """The text of `value`: the one `before`, if that opens to it. Sealing anew would look like a change."""
        return before if before is not None and self.key.open(before) == value else self.key.seal(value)


def lease_in(record: Record) -> Lease | None:
    """The lease that `record` holds."""
    return Lease(record.lease_owner, record.lease_until or 0) if record.lease_owner else None


def open_stored(account: str, stored: Stored, digest: PasswordDigest, key: RecordKey) -> Opened:
    """Open `stored` with the key that its password check found. A value that does not open counts as absent."""
    record = stored.record

    def open_value(name: str, sealed: str | None) -> Secret | None:
        value = key.open(sealed) if sealed else None
        if sealed and value is None:
            log.warning("account %s: %s does not open with the same key and is ignored", foreign(account), name)
        return value

    access = open_value("access_token", record.access_token)
    return Opened(
        digest=digest,
        key=key,
        base=record,
        version=stored.version,
        access=AccessToken(access, float(record.access_token_expiry or 0)) if access else None,
        refresh=open_value("refresh_token", record.refresh_token),
        client_secret=open_value("client_secret_encrypted", record.client_secret_encrypted),
        issued=record.refresh_token_issued,
        lease=lease_in(record),
        used=record.app_passwords_used,
    )
