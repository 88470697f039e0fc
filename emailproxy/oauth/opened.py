"""What do we hold for an account whose password was right? Its tokens, opened, and the key to seal them again."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass, replace

from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.passwords import PasswordDigest
from emailproxy.oauth.sealing import SealingKey
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored, Version

__all__ = ["AccessToken", "Opened", "open_stored"]

log = logging.getLogger("emailproxy.oauth")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What the mail server is shown."""

    value: Secret
    expires_at: float
    """Unix time."""

    def is_not(self, refused: AccessToken | None) -> bool:
        """Whether this is another token than the one that was refused."""
        return refused is None or self.value != refused.value


@dataclass(frozen=True, slots=True)
class Opened:
    """An account's record, opened. A new object for every change; the broker holds the latest."""

    digest: PasswordDigest
    """The password that opens it."""
    key: SealingKey
    base: Record
    """What was read; what we do not know or cannot open is carried over from here."""
    version: Version | None
    """What the next save replaces; None: nothing."""
    access: AccessToken | None = None
    refresh: Secret | None = None
    client_secret: Secret | None = None
    """What was in ``client_secret_encrypted``."""
    unsaved: bool = False
    """The store does not have it yet; until then this memory is the truth."""
    dead: bool = False
    """The provider refused the refresh token for good."""

    def belongs_to(self, digest: PasswordDigest) -> bool:
        """Whether `digest` is the password's, in constant time."""
        return hmac.compare_digest(self.digest, digest)

    def renewed(self, response: TokenResponse, now: float) -> Opened:
        """With the tokens of `response`; the refresh token stays if there is no new one."""
        return replace(
            self,
            access=AccessToken(response.access_token, now + response.expires_in),
            refresh=response.refresh_token or self.refresh,
            dead=False,
        )

    def sealed(self, *, now: float, client_secret: Secret | None) -> Record:
        """What to store; `client_secret` replaces the sealed one there is."""
        secret = client_secret or self.client_secret
        return Record(
            token_salt=self.key.salt_text,
            token_iterations=self.key.iterations,
            access_token=self.key.seal(self.access.value) if self.access else None,
            access_token_expiry=int(self.access.expires_at) if self.access else None,
            refresh_token=self.key.seal(self.refresh) if self.refresh else None,
            client_secret_encrypted=self.key.seal(secret) if secret else self.base.client_secret_encrypted,
            # Rides along with a save there is anyway: it is for people to look at, not worth a write of its own.
            last_activity=int(now),
        )


def open_stored(account: str, stored: Stored, digest: PasswordDigest, key: SealingKey) -> Opened:
    """Open `stored` with the key that its password check found. A value that does not open counts as absent."""
    record = stored.record

    def open_value(name: str, sealed: str | None) -> Secret | None:
        value = key.open(sealed) if sealed else None
        if sealed and value is None:
            log.warning("account %s: %s does not open with the mail password and is ignored", foreign(account), name)
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
    )
