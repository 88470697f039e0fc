"""What is kept, and of whom? ``emailproxy cache list`` and ``show``: dates and sizes, never a token."""

from __future__ import annotations

import json
import time
from functools import partial

import click

from emailproxy.cli.commands import OF_CACHE
from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.lazy import LazyGroup
from emailproxy.cli.names import AccountName
from emailproxy.cli.stores_in_use import answer, opened_in_use
from emailproxy.cli.tables import moment, octets, pairs, table
from emailproxy.oauth.foreign import foreign
from emailproxy.store.overview import Entry, metadata, overview

__all__ = ["cache"]


@click.group(cls=LazyGroup, lazy=OF_CACHE)
def cache() -> None:
    """Look at what is kept for the accounts, move it, and test where it is kept.

    The store is the one that the proxy would use with the same flags, which stand before the command.

    \b
    Example:
      emailproxy --cache-store aws:mail/ cache list
    """


@cache.command("list", short_help="List the accounts that have a record.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, times in Unix seconds.")
@click.pass_obj
def list_(flags: Flags, *, as_json: bool) -> None:
    """List the accounts that have a record, and what is known of it without opening it.

    Exit status 1 if the store cannot be reached or a record cannot be read; the others are listed all the same.

    \b
    Example:
      emailproxy --cache-store file:/var/lib/emailproxy/tokens cache list
    """
    address, entries = answer(partial(_entries, flags))
    if as_json:
        click.echo(json.dumps({"store": address, "accounts": [_fields(entry) for entry in entries]}, indent=2))
    elif entries:
        head = ("account", "refresh token", "sealed", "access token", "iterations", "last login", "")
        for line in table(head, (_row(entry, address) for entry in entries)):
            click.echo(line)
        click.echo(f"\n{len(entries)} in {address}")
    else:
        click.echo(f"{address}: there is no record of any account")
    failures = [entry.failure for entry in entries if entry.failure is not None]
    if failures:
        end(Exit.FAILED, *(foreign(failure) for failure in failures))


@cache.command(short_help="Show what is known of one account's record.")
@click.argument("account", type=AccountName())
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, times in Unix seconds.")
@click.pass_obj
def show(flags: Flags, account: str, *, as_json: bool) -> None:
    """Show what is known of one account's record: times, sizes, its version; nothing that is secret.

    Exit status 1 if there is none.

    \b
    Example:
      emailproxy cache show you@example.com
    """
    address, [entry] = answer(partial(_entries, flags, account))
    if entry.failure is not None:
        end(Exit.FAILED, foreign(entry.failure))
    if entry.stored is None:
        end(Exit.FAILED, f"{address}: there is no record of {foreign(account)}; emailproxy cache list has the names")
    if as_json:
        click.echo(json.dumps(_fields(entry), indent=2))
        return
    for line in pairs(_details(entry, address)):
        click.echo(line)


async def _entries(flags: Flags, account: str | None = None) -> tuple[str, list[Entry]]:
    """The store's address, and all its entries or that of one account; the configuration file fills the gaps."""
    async with opened_in_use(flags) as place:
        entries = await overview(place.records, None if account is None else [account])
        if place.seed is not None:
            known = {entry.account for entry in entries if entry.stored is not None or entry.failure is not None}
            seeds = await overview(place.seed, None if account is None else [account])
            kept = [entry for entry in entries if entry.account in known]
            entries = kept + [entry for entry in seeds if entry.account not in known]
            entries.sort(key=lambda entry: entry.account)
        return place.records.address, entries


def _fields(entry: Entry) -> dict[str, object]:
    fields: dict[str, object] = {"account": entry.account, "store": entry.where}
    if entry.stored is not None:
        fields |= {"version": entry.stored.version, **metadata(entry.stored.record)}
    if entry.failure is not None:
        fields["error"] = str(entry.failure)
    return fields


def _row(entry: Entry, address: str) -> tuple[str, ...]:
    if entry.stored is None:
        why = "not readable, see below" if entry.failure is not None else "gone meanwhile"
        return (entry.account, *["?"] * 5, why)
    known = metadata(entry.stored.record)
    elsewhere = "" if entry.where == address else f"still in {entry.where}"
    return (
        entry.account,
        _refresh(known),
        moment(known["sealed"]),
        _access(known),
        _iterations(known),
        moment(known["last_activity"]),
        "; ".join(note for note in (elsewhere, _lease(known)) if note),
    )


def _details(entry: Entry, address: str) -> list[tuple[str, str]]:
    assert entry.stored is not None
    known = metadata(entry.stored.record)
    return [
        ("account", entry.account),
        ("kept in", entry.where + ("" if entry.where == address else f" (not yet in {address})")),
        ("version", entry.stored.version),
        ("refresh token", octets(known["refresh_token_octets"])),
        ("  given by the provider", moment(known.get("refresh_token_issued"))),
        ("access token", octets(known["access_token_octets"])),
        ("  expires", moment(known["access_token_expiry"])),
        ("client secret", octets(known["client_secret_encrypted_octets"])),
        ("sealed", moment(known["sealed"])),
        ("  with iterations", _iterations(known)),
        *([("  with service key", str(known["sealed_by"]))] if known["sealed_by"] else []),
        ("last login", moment(known["last_activity"])),
        ("lease", _lease(known) or "none"),
    ]


def _refresh(known: dict[str, int | str | None]) -> str:
    if not known["refresh_token_octets"]:
        return "no"
    issued = known.get("refresh_token_issued")
    return f"yes, {max(0, int(time.time()) - issued) // 86400} d old" if isinstance(issued, int) else "yes"


def _access(known: dict[str, int | str | None]) -> str:
    if not known["access_token_octets"]:
        return "not kept"
    expiry = known["access_token_expiry"]
    expired = isinstance(expiry, int) and expiry < time.time()
    return "expired" if expired else f"until {moment(expiry)}"


def _iterations(known: dict[str, int | str | None]) -> str:
    number = known["token_iterations"]
    return f"{number:,}" if isinstance(number, int) else "100,000 (old)" if known["token_salt_octets"] else "-"


def _lease(known: dict[str, int | str | None]) -> str:
    """Whose turn it is to refresh; nothing if it is nobody's."""
    owner, until = known.get("lease_owner"), known.get("lease_until")
    if not owner:
        return ""
    over = isinstance(until, int) and until < time.time()
    return f"{owner} until {moment(until)}" + (" (over)" if over else "")
