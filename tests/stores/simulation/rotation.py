"""Which refresh tokens does the provider take, and who has lost an account? Grants, rotation, replay; no network.

A provider that detects reuse cannot tell a thief from a replica that is late: whoever shows a token that was used
before ends the grant, for everybody. With a *grace* it answers a repeated request with the latest used token by the
same successor again (Okta's grace period, Auth0's leeway), as long as nobody has used that successor.
"""

from __future__ import annotations

import enum
import secrets
from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Behaviour", "Grant", "RefusedError", "Rotation"]


class Behaviour(enum.StrEnum):
    """What becomes of a refresh token that was used. Every refresh gives a new one."""

    STAYS_VALID = "stays valid"
    """As Entra's: the old one may be used again."""
    INVALID = "invalid_grant"
    """The old one is refused, the grant goes on."""
    REVOKES = "revokes"
    """The old one is refused, and the grant is over."""


class RefusedError(Exception):
    """``invalid_grant``."""


@dataclass
class Grant:
    """What one account was granted."""

    account: str
    behaviour: Behaviour
    grace: float
    """Seconds in which the latest used token gets its successor again."""
    latest: str = ""
    """The refresh token that nobody has used yet."""
    used: str = ""
    """The one before."""
    holders: frozenset[str] = frozenset()
    """Whom `latest` was given to: client ids, of which every start of a replica has its own."""
    given_at: float = 0.0
    revoked: bool = False

    def issue(self, client: str, now: float) -> str:
        """A new refresh token for `client`."""
        self.used, self.latest = self.latest, f"{self.account}.{secrets.token_urlsafe(12)}"
        self.holders, self.given_at = frozenset({client}), now
        return self.latest

    def in_grace(self, token: str, now: float) -> bool:
        """Whether `token` is the latest used one, and still gets its successor."""
        return bool(token) and token == self.used and self.grace > 0 and now - self.given_at <= self.grace


@dataclass
class Rotation:
    """All grants, by the tokens that belong to them."""

    grants: dict[str, Grant] = field(default_factory=dict)
    """By account."""
    refreshes: Counter[str] = field(default_factory=Counter)
    """By account: requests that were answered with tokens."""
    repeated: Counter[str] = field(default_factory=Counter)
    """By account: those of them that got a successor again."""
    refused: Counter[str] = field(default_factory=Counter)
    _owners: dict[str, Grant] = field(default_factory=dict)

    def grant(self, account: str, behaviour: Behaviour, grace: float, now: float) -> str:
        """As if a person had just consented; the first refresh token."""
        granted = self.grants[account] = Grant(account, behaviour, grace)
        return self._issued(granted, "consent", now)

    def owner(self, token: str) -> Grant | None:
        """The grant that a token belongs, or belonged, to."""
        return self._owners.get(token)

    def refresh(self, token: str, client: str, now: float) -> str:
        """The refresh token that goes with a new access token.

        Raises:
            RefusedError: the token is unknown, was used, or its grant is revoked; see `Grant.revoked`.
        """
        granted = self._owners.get(token)
        if granted is None or granted.revoked:
            raise RefusedError
        if token != granted.latest and granted.behaviour is not Behaviour.STAYS_VALID:
            if not granted.in_grace(token, now):
                granted.revoked = granted.behaviour is Behaviour.REVOKES
                self.refused[granted.account] += 1
                raise RefusedError
            self.refreshes[granted.account] += 1
            self.repeated[granted.account] += 1
            granted.holders |= {client}
            return granted.latest
        self.refreshes[granted.account] += 1
        return self._issued(granted, client, now)

    def usable(self, token: str, now: float) -> bool:
        """Whether a refresh with `token` would go well; changes nothing."""
        granted = self._owners.get(token)
        if granted is None or granted.revoked:
            return False
        return token == granted.latest or granted.behaviour is Behaviour.STAYS_VALID or granted.in_grace(token, now)

    def _issued(self, granted: Grant, client: str, now: float) -> str:
        token = granted.issue(client, now)
        self._owners[token] = granted
        return token
