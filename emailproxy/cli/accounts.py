"""How do the accounts stand? ``emailproxy accounts``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from functools import partial

import click

from emailproxy.cli.commands import OF_ACCOUNTS
from emailproxy.cli.common import Flags, configuration
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.lazy import LazyGroup
from emailproxy.cli.reaching import Found, Where, look, where_options
from emailproxy.cli.showing import Cell, show_table, state_style
from emailproxy.cli.stores_in_use import answer, opened_in_use
from emailproxy.cli.tables import moment
from emailproxy.config import Config
from emailproxy.console import messages
from emailproxy.console.scene import NOT_READ
from emailproxy.oauth.foreign import foreign
from emailproxy.standing import Standing, State, account_names, standing
from emailproxy.status import Presence, WaitingAccount
from emailproxy.store.overview import Entry, overview

__all__ = ["accounts"]

_WORDS = {
    State.OK: "ok",
    State.NEEDS_CONSENT: "needs consent",
    State.NEVER_USED: "never used",
    State.UNKNOWN: "unknown",
}


@click.group(cls=LazyGroup, lazy=OF_ACCOUNTS, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, times in Unix seconds.")
@where_options
@click.pass_context
def accounts(context: click.Context, *, as_json: bool, where: Where) -> None:
    """List the accounts: whether each works or needs a person's consent, its flow, its last use, where its record is.

    Nothing is opened or refreshed: an account is "ok" as far as is known. A proxy that runs with this configuration
    knows more, and says it. With --url only that proxy is asked, and no store.

    Exit status 1 if an account needs consent, or what is stored cannot be read.

    \b
    Examples:
      emailproxy --config-file /etc/emailproxy/emailproxy.config accounts
      emailproxy accounts --json | jq -r '.accounts[] | select(.state == "needs_consent").account'
    """
    if context.invoked_subcommand is not None:
        return
    flags: Flags = context.obj
    seen = look(flags, where)
    if where.url is not None and seen.snapshot is not None:
        address, found = seen.snapshot.store.address, [_told(each) for each in seen.snapshot.accounts]
    else:
        config = configuration(flags.config_file)
        address, found = answer(partial(_standings, flags, config, _waiting(seen)))
    ends = {each.name: each.token_ends for each in (seen.snapshot.accounts if seen.snapshot is not None else ())}
    if as_json:
        told = [
            asdict(one) | {"state": one.state.value, "token_ends": ends.get(one.account, one.token_ends)}
            for one in found
        ]
        click.echo(json.dumps({"store": address, "running": seen.running, "accounts": told}, indent=2))
    else:
        show_table(("account", "state", "flow", "last use", "kept in"), map(_row, found))
        if seen.note and not seen.running:
            click.echo("\nNo proxy runs with this configuration, so refused refresh tokens are not known here.")
        elif seen.note:
            click.echo(f"\n{seen.note}")
    bad = [one for one in found if one.state in (State.NEEDS_CONSENT, State.UNKNOWN)]
    if any(one.state is State.NEEDS_CONSENT for one in bad) and not as_json:
        end(Exit.FAILED, "emailproxy authorise ACCOUNT gets a consent without a mail program")
    if any(one.state is State.NEEDS_CONSENT or one.why != NOT_READ for one in bad):
        end(Exit.FAILED)


def _waiting(seen: Found) -> dict[str, WaitingAccount]:
    """Who needs a person, as the running proxy knows."""
    if seen.snapshot is None:
        status = seen.reading.status if seen.reading.presence is Presence.RUNNING else None
        return {one.account: one for one in status.waiting} if status is not None else {}
    needy = (each for each in seen.snapshot.accounts if each.state == State.NEEDS_CONSENT.value)
    return {each.name: WaitingAccount(each.name, each.why) for each in needy}


def _told(account: messages.Account) -> Standing:
    try:
        state = State(account.state)
    except ValueError:  # of a newer version
        state = State.UNKNOWN
    return Standing(
        account=account.name,
        state=state,
        flow=account.flow,
        why=account.why,
        until=int(account.until) if account.until is not None else None,
        last_use=int(account.last_use) if account.last_use is not None else None,
        where=account.where,
        managed=account.managed,
        token_ends=int(account.token_ends) if account.token_ends is not None else None,
    )


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


def _row(one: Standing) -> tuple[Cell, ...]:
    word = _WORDS[one.state]
    style = state_style(word)
    if one.until is not None:
        word += f" until {moment(one.until)}"
    if one.why:
        word += f" {one.why}" if one.why.startswith("until ") else f", {foreign(one.why, 160)}"
    never = one.state is State.NEVER_USED
    return one.account, (word, style), one.flow, moment(one.last_use), "-" if never else one.where
