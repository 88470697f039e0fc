"""How is an account's record removed? ``emailproxy cache delete``, after a question."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial

import click

from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.stores_in_use import answer, opened_in_use
from emailproxy.oauth.foreign import foreign
from emailproxy.store.base import StoreContentError, StoreError

__all__ = ["delete"]


@dataclass(frozen=True, slots=True)
class _Doomed:
    """What the question says."""

    address: str
    deletion: str
    damaged: bool = False
    holds_secret: bool = False


@click.command()
@click.argument("account")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(flags: Flags, account: str, *, yes: bool) -> None:
    """Remove the record of ACCOUNT from the store that the proxy would use; the configuration of the account stays.

    The next login needs a new consent. A running proxy forgets the account at its next look into the store.

    Exit status 1 if there is none, or it is not certain that it is gone.

    \b
    Example:
      emailproxy --cache-store aws:mail/ cache delete you@example.com
    """
    name = foreign(account)
    doomed = answer(partial(_look, flags, account))
    if doomed is None:
        end(Exit.FAILED, f"there is no record of {name}; emailproxy cache list has the names")
    about = f"{name}: the record in {doomed.address} is to be deleted; the next login needs a new consent."
    click.echo(about, err=True)
    if doomed.damaged:
        click.echo("It is damaged, and nobody can tell what is in it.", err=True)
    if doomed.holds_secret:
        click.echo("It holds the account's client secret, perhaps the only copy.", err=True)
    if doomed.deletion:
        click.echo(f"In this store: {doomed.deletion}.", err=True)
    if not yes:
        if not sys.stdin.isatty():
            end(Exit.CONFIGURATION, "there is no terminal to ask; --yes deletes without asking")
        if not click.confirm("Delete it?", err=True):
            end(Exit.FAILED, "nothing was deleted")
    if not answer(partial(_delete, flags, account)):
        end(Exit.FAILED, f"{doomed.address}: the record of {name} had gone already")
    click.echo(f"{name}: deleted from {doomed.address}")


async def _look(flags: Flags, account: str) -> _Doomed | None:
    """What would be deleted.

    Raises:
        StoreError: nobody can tell, or the configuration file's record would count afterwards.
    """
    async with opened_in_use(flags) as place:
        # Older tokens would come back to life; with some providers to use them ends the whole grant.
        if place.seed is not None and await place.seed.load_fresh(account) is not None:
            raise StoreError(
                f"{place.seed.address} has a record of {account} too, which would count again: delete that one first, "
                f"with emailproxy --config-file {flags.config_file} cache delete {account}"
            )
        address, deletion = place.records.address, place.records.deletion
        try:
            stored = await place.records.load_fresh(account)
        except StoreContentError:
            return _Doomed(address, deletion, damaged=True)
        if stored is None:
            return None
        return _Doomed(address, deletion, holds_secret=stored.record.client_secret_encrypted is not None)


async def _delete(flags: Flags, account: str) -> bool:
    async with opened_in_use(flags) as place:
        return await place.records.delete(account)
