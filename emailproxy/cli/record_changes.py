"""How does a command change one account's record? Read, change, save; again if a proxy was faster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import trio

from emailproxy.cli.common import Flags, configuration
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.stores_in_use import InUse, answer, opened_in_use
from emailproxy.config import Account, Config
from emailproxy.failures import ProxyError
from emailproxy.oauth.foreign import foreign
from emailproxy.store.base import Record, StoreConflictError, Stored

__all__ = ["change_record", "configured", "read_record", "save_record", "stored_record"]

MAX_CONFLICTS: Final = 5
"""Other writers in a row: a proxy refreshes an account once an hour."""

T = TypeVar("T")


def configured(flags: Flags, name: str) -> tuple[Config, Account]:
    """The configuration, and the account in it, or the end."""
    config = configuration(flags.config_file)
    account = config.account(name)
    if account is None:
        end(Exit.FAILED, f"{config.path} has no account {foreign(name)}; add it first")
    return config, account


def change_record(flags: Flags, account: str, change: Callable[[Record | None], tuple[Record, T]]) -> tuple[str, T]:
    """Save what `change` makes of the account's record (None: there is none); the store's address, and its result.

    `change` blocks, may be called again, and may raise ProxyError or ValueError, which end the command.
    """
    try:
        return answer(partial(_changed, flags, account, change))
    except ValueError as error:
        end(Exit.FAILED, foreign(f"{account}: {error}"))
    except ProxyError as error:
        end(Exit.FAILED, foreign(error))


def stored_record(flags: Flags, account: str) -> tuple[str, Record | None]:
    """The account's record, and the address of the store that has it, or would."""
    return answer(partial(_stored, flags, account))


async def _stored(flags: Flags, account: str) -> tuple[str, Record | None]:
    async with opened_in_use(flags) as place:
        stored, own = await read_record(place, account)
        address = place.records.address if own or place.seed is None else place.seed.address
        return address, stored.record if stored is not None else None


async def _changed(flags: Flags, account: str, change: Callable[[Record | None], tuple[Record, T]]) -> tuple[str, T]:
    async with opened_in_use(flags) as place:
        for _ in range(MAX_CONFLICTS):
            stored, own = await read_record(place, account)
            before = stored.record if stored is not None else None
            record, result = await trio.to_thread.run_sync(change, before, abandon_on_cancel=True)
            try:
                await save_record(place, account, record, stored if own else None)
            except StoreConflictError:
                continue
            return place.records.address, result
        raise StoreConflictError(
            f"{place.records.address}: the record of {account} changes all the time; stop the proxy"
        )


async def save_record(place: InUse, account: str, record: Record, expected: Stored | None) -> None:
    """Save, and return only if the store gives it back. Raises StoreError."""
    await place.records.save(account, record, expected.version if expected is not None else None)


async def read_record(place: InUse, account: str) -> tuple[Stored | None, bool]:
    """The record that counts, and whether it is the store's own."""
    stored = await place.records.load_fresh(account)
    if stored is not None or place.seed is None:
        return stored, True
    return await place.seed.load_fresh(account), False
