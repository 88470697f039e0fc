"""Must a store that bills each write have this record now, later, or not at all?

A secret manager keeps every version, some for ever, and none keeps access tokens; what is left to write is a refresh
token that changed. If its predecessor stays valid, the store need not have the newest: one that is a day old brings a
restarted proxy just as far. Then at most one write a day and account is made, and one when the proxy stops. If the
predecessor dies, the new one is all there is, and is written before the new access token is used.
"""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import Final

from emailproxy.config.model import RefreshTokens
from emailproxy.oauth.opened import Opened
from emailproxy.store.base import Record
from emailproxy.store.document import lasting

__all__ = ["WRITE_EVERY", "Urgency", "urgency"]

WRITE_EVERY: Final = 86_400
"""Seconds that a stored refresh token may lag behind: 365 undeletable versions of a Key Vault secret a year, not 8,760.
Entra's live for 90 days without use, and those of single-page apps, which must be used within 24 hours, are for nobody
who wants mail."""


class Urgency(enum.Enum):
    """When to write."""

    NOW = enum.auto()
    LATER = enum.auto()
    """When the stored refresh token is `WRITE_EVERY` old, and at the end."""
    NEVER = enum.auto()
    """The store has all that it keeps already."""


def urgency(opened: Opened, record: Record, kind: RefreshTokens, now: float) -> Urgency:
    """When to write `record`, which is `opened` sealed, into a store that bills writes.

    Args:
        opened: what is to be kept, with what the store has.
        record: its sealed form; an unchanged value has an unchanged text.
        kind: how the provider's refresh tokens behave.
        now: Unix time.
    """
    base = opened.base
    if opened.version is None or opened.unsaved or _other_than_tokens(record) != _other_than_tokens(base):
        return Urgency.NOW
    if base.refresh_token_issued is None and record.refresh_token is not None:
        # Of an older version of the proxy, or of the configuration file: written once, so that its age is known.
        return Urgency.NOW
    if record.refresh_token == base.refresh_token:
        return Urgency.NEVER
    lag = now - (base.refresh_token_issued or 0)
    return Urgency.LATER if kind is RefreshTokens.REUSABLE and 0 <= lag < WRITE_EVERY else Urgency.NOW


def _other_than_tokens(record: Record) -> Record:
    # When an app password was last used is not worth a write of its own: it rides along with the next.
    return lasting(replace(record, refresh_token=None, refresh_token_issued=None, app_passwords_used=None))
