"""How do the accounts stand? ``emailproxy accounts``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from functools import partial

import click

from emailproxy.cli.common import Flags, configuration
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.stores_in_use import answer, opened_in_use
from emailproxy.cli.tables import moment, table
from emailproxy.config import Config
from emailproxy.oauth.foreign import foreign
from emailproxy.standing import Standing, State, account_names, standing
from emailproxy.status import Presence, WaitingAccount, read_status
from emailproxy.store.overview import Entry, overview

__all__ = ["accounts"]

_WORDS = {
    State.OK: "ok",
    State.NEEDS_CONSENT: "needs consent",
    State.NEVER_USED: "never used",
    State.UNKNOWN: "unknown",
}


@click.group(invoke_without_command=True, short_help="List the accounts, and how they stand.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, times in Unix seconds.")
@click.pass_context
def accounts(context: click.Context, *, as_json: bool) -> None:
    """List the accounts: whether each works or needs a person's consent, its flow, its last use, where its record is.

    Nothing is opened or refreshed: an account is "ok" as far as is known. A proxy that runs with this configuration
    knows more, and says it.

    Exit status 1 if an account needs consent, or what is stored cannot be read.

    \b
    Example:
      emailproxy --config-file /etc/emailproxy/emailproxy.config accounts
    """
    if context.invoked_subcommand is not None:
        return
    flags: Flags = context.obj
    config = configuration(flags.config_file)
    reading = read_status(flags.config_file)
    running = reading.status if reading.presence is Presence.RUNNING else None
    waiting = {one.account: one for one in running.waiting} if running is not None else {}
    address, found = answer(partial(_standings, flags, config, waiting))
    if as_json:
        told = [asdict(one) | {"state": one.state.value} for one in found]
        click.echo(json.dumps({"store": address, "running": running is not None, "accounts": told}, indent=2))
    else:
        for line in table(("account", "state", "flow", "last use", "kept in"), map(_row, found)):
            click.echo(line)
        if running is None:
            click.echo("\nNo proxy runs with this configuration, so refused refresh tokens are not known here.")
    bad = [one for one in found if one.state in (State.NEEDS_CONSENT, State.UNKNOWN)]
    if any(one.state is State.NEEDS_CONSENT for one in bad) and not as_json:
        end(Exit.FAILED, "emailproxy authorise ACCOUNT gets a consent without a mail program")
    if bad:
        end(Exit.FAILED)


async def _standings(flags: Flags, config: Config, waiting: dict[str, WaitingAccount]) -> tuple[str, list[Standing]]:
    async with opened_in_use(flags) as place:
        stores = [place.records] if place.seed is None else [place.records, place.seed]
        names = account_names(config, [name for store in stores for name in await store.accounts()])
        entries: dict[str, Entry] = {}
        for store in reversed(stores):  # what the store itself has goes before the seed
            for entry in await overview(store, names):
                if entry.stored is not None or entry.failure is not None or entry.account not in entries:
                    entries[entry.account] = entry
        now = time.time()
        found = []
        for name in names:
            account = config.account(name)
            assert account is not None
            found.append(standing(account, entries[name], waiting.get(account.name), now))
        return place.records.address, found


def _row(one: Standing) -> tuple[str, ...]:
    word = _WORDS[one.state]
    if one.until is not None:
        word += f" until {moment(one.until)}"
    if one.why:
        word += f" {one.why}" if one.why.startswith("until ") else f", {foreign(one.why, 160)}"
    never = one.state is State.NEVER_USED
    return one.account, word, one.flow, moment(one.last_use), "-" if never else one.where
