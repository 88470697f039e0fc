"""How is a running proxy getting on with its store? ``emailproxy cache status``: what its status file says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click

from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.tables import moment, pairs, table
from emailproxy.oauth.foreign import foreign
from emailproxy.status import Presence, Status, read_status, status_path
from emailproxy.store.health import StoreHealth

__all__ = ["status", "status_lines"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, times in Unix seconds.")
@click.pass_obj
def status(flags: Flags, *, as_json: bool) -> None:
    """Say whether the proxy that runs with this configuration can reach its store, and what it could not write yet.

    Exit status 0 if it is ready; 1 if it is not, or none runs.

    \b
    Example:
      emailproxy --config-file /etc/emailproxy/emailproxy.config cache status
    """
    reading = read_status(flags.config_file)
    found = reading.status
    running = reading.presence is Presence.RUNNING and found is not None
    if as_json:
        click.echo(json.dumps({"presence": reading.presence.value} | (asdict(found) if found else {}), indent=2))
    elif found is not None:
        for line in status_lines(found, running=running):
            click.echo(line)
    path = status_path(flags.config_file)
    match reading.presence:
        case Presence.ABSENT:
            end(Exit.FAILED, f"no proxy runs with {flags.config_file}: there is no {path}")
        case Presence.UNREADABLE:
            end(Exit.FAILED, foreign(reading.problem))
        case Presence.STALE:
            end(Exit.FAILED, f"the proxy that wrote {path} does not run any more")
        case Presence.RUNNING:
            sys.exit(Exit.STOPPED if found is not None and found.ready else Exit.FAILED)


def status_lines(found: Status, *, running: bool) -> Iterator[str]:
    """What a status file says, for people."""
    health = found.health
    rows = [
        ("proxy", f"process {found.pid}, started {moment(int(found.started))}{'' if running else ', ended'}"),
        ("store", found.store),
        ("ready", "yes" if found.ready else "no, the store has not answered since the start"),
        ("last call", _last_call(health)),
        ("calls", f"reads {health.reads:,}, writes {health.writes:,}, not answered {health.failures:,}"),
        ("written later", _deferred(found.deferred)),
        ("unsaved", _accounts(len(found.unsaved)) if found.unsaved else "none"),
    ]
    yield from pairs(rows)
    if found.unsaved:
        yield ""
        head = ("account", "since", "attempts", "next", "last error")
        unsaved = (
            (
                entry.account,
                moment(int(entry.since)),
                f"{entry.attempts:,}",
                moment(int(entry.next_try)) if entry.next_try is not None else "now",
                entry.error,
            )
            for entry in found.unsaved
        )
        yield from table(head, unsaved)


def _last_call(health: StoreHealth) -> str:
    if health.reachable is None:
        return "none yet"
    since = moment(int(health.since)) if health.since is not None else "-"
    return f"answered, since {since}" if health.reachable else f"not answered, since {since}: {health.last_error}"


def _deferred(number: int) -> str:
    return f"{_accounts(number)}, on purpose: the stored token stays valid" if number else "none"


def _accounts(number: int) -> str:
    return f"{number:,} account{'' if number == 1 else 's'}"
