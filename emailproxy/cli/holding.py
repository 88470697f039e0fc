"""How does a command keep proxies from refreshing an account while it changes who can open its record?

A proxy that used a refresh token which rotates has the only new one, and could not save it into a record that it cannot
open any more. So the command takes the turn to refresh (`emailproxy.oauth.turns`): a proxy that finds it taken waits.
One that began before, with refresh tokens for which no turns are taken, has not seen that; its answer is waited for.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Final

import click
import trio

from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.record_changes import read_record, save_record
from emailproxy.cli.stores_in_use import answer, opened_in_use
from emailproxy.config import Account
from emailproxy.config.model import RefreshTokens
from emailproxy.failures import ProxyError
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.turns import CLOCKS, LEASE, new_owner
from emailproxy.store.base import StoreConflictError

__all__ = ["hold_refreshes"]

SETTLE: Final = 90
"""Seconds that a refresh may take: two token requests of 30 with a pause between them, and a save of 25."""
LOOK: Final = 1.0
"""Seconds between two looks at somebody else's turn."""


def hold_refreshes(flags: Flags, account: Account) -> None:
    """Return when no proxy is refreshing `account`, and none will begin for a minute. The store error is the end."""
    if account.refresh_tokens is RefreshTokens.REUSABLE:
        return  # the old one stays valid, so nothing can be lost
    settle = SETTLE if account.refresh_tokens is RefreshTokens.ROTATING else 0
    try:
        answer(partial(_hold, flags, account.name, settle))
    except ProxyError as error:
        end(Exit.FAILED, foreign(error))


async def _hold(flags: Flags, account: str, settle: int) -> None:
    owner, told = new_owner(), False
    async with opened_in_use(flags) as place:
        while True:
            stored, own = await read_record(place, account)
            if stored is None or stored.record.refresh_token is None:
                return
            record = stored.record
            if record.lease_owner == owner:
                return  # nobody saved anything meanwhile
            if record.lease_owner is not None and time.time() < (record.lease_until or 0) + CLOCKS:
                await trio.sleep(LOOK)
                continue
            until = int(time.time()) + settle + LEASE
            try:
                leased = replace(record, lease_owner=owner, lease_until=until)
                await save_record(place, account, leased, stored if own else None)
            except StoreConflictError:
                continue
            if settle and not told:
                told = True
                click.echo(
                    f"waiting {settle} s for a refresh that a proxy may have begun (--stopped: none runs)", err=True
                )
            await trio.sleep(settle)
