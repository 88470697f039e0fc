"""What does a store keep for its accounts? Names, dates and sizes; nothing that is secret, sealed or not.

An account's record may be damaged or denied while the others can be read, so each has an answer of its own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final

import trio

from emailproxy.store.base import Record, Stored, StoreError, StoreUnavailableError
from emailproxy.store.cached import CachedStore

__all__ = ["Entry", "metadata", "overview", "sealed_at"]

READS_AT_ONCE: Final = 8
"""As many as `emailproxy.store.cached` has threads for; what waits for a thread would use up its deadline."""

_PLAIN: Final = frozenset(
    {
        "token_iterations",
        "access_token_expiry",
        "refresh_token_issued",
        "last_activity",
        "lease_owner",
        "lease_until",
        "sealed_by",
    }
)
"""Fields that may be shown. Every other one, of today or to come, is shown by its size."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What could be learned of one account."""

    account: str
    stored: Stored | None = None
    """None: there is no record, or it could not be read (`failure`)."""
    failure: StoreError | None = None
    where: str = ""
    """The address of the store that has the record."""


async def overview(records: CachedStore, accounts: Iterable[str] | None = None) -> list[Entry]:
    """All accounts of `records`, or these; sorted by name as given by the store.

    Raises:
        StoreError: the accounts cannot be listed; StoreUnavailableError: the store is away, so no more were asked for.
    """
    names = await records.accounts() if accounts is None else list(accounts)
    found: dict[str, Entry] = {}
    away: list[StoreUnavailableError] = []
    limit = trio.CapacityLimiter(READS_AT_ONCE)

    async def read(account: str) -> None:
        async with limit:
            try:
                found[account] = Entry(account, await records.load_fresh(account), where=records.address)
            except StoreUnavailableError as error:
                away.append(error)
                nursery.cancel_scope.cancel()
            except StoreError as error:
                found[account] = Entry(account, failure=error, where=records.address)

    async with trio.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(read, name)
    if away:
        raise away[0]
    return [found[name] for name in names]


def metadata(record: Record) -> dict[str, int | str | None]:
    """What may be shown of `record`: the plain fields as they are, of the others ``NAME_octets``, None where absent.

    Times are Unix seconds. ``sealed`` is when the most precious value was sealed.
    """
    shown: dict[str, int | str | None] = {}
    for field in fields(Record):
        value: int | str | None = getattr(record, field.name)
        if field.name in _PLAIN:
            shown[field.name] = value
        else:
            shown[f"{field.name}_octets"] = len(str(value).encode()) if value else None
    shown["sealed"] = sealed_at(record.refresh_token or record.access_token or record.client_secret_encrypted)
    return shown


def sealed_at(value: str | None) -> int | None:
    """When `value` was sealed: Fernet writes the time (Unix, seconds) in the clear. None if it is no sealed value."""
    try:
        octets = base64.urlsafe_b64decode(value[:12]) if value else b""
    except (binascii.Error, ValueError):
        return None
    # Version 0x80, then 64 bits of time, big-endian.
    return int.from_bytes(octets[1:9]) if len(octets) == 9 and octets[0] == 0x80 else None
