"""How is the running proxy, and what runs through it? ``emailproxy status``, ``sessions`` and ``kick``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from urllib.parse import quote

import click

from emailproxy.cli.amounts import amount, counted, span
from emailproxy.cli.cache_status import status_lines
from emailproxy.cli.common import Flags, configuration
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.names import AccountName
from emailproxy.cli.reaching import Found, Where, look, reach, run, where_options
from emailproxy.cli.session_names import SessionId
from emailproxy.cli.showing import Cell, show_pairs, show_table, state_style
from emailproxy.cli.tables import moment
from emailproxy.console.messages import Account, Session, Snapshot, fields_of
from emailproxy.oauth.foreign import foreign
from emailproxy.remote.calls import ask, snapshot
from emailproxy.remote.errors import AnswerError
from emailproxy.remote.place import ConsolePlace
from emailproxy.status import Presence, status_path

__all__ = ["kick", "sessions", "status"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, times in Unix seconds.")
@where_options
@click.pass_obj
def status(flags: Flags, *, as_json: bool, where: Where) -> None:
    """Say how the running proxy is: where it listens, its sessions, accounts, logins of the last hour, and its store.

    A proxy without a console is told of by its status file: process, store, and what it could not write yet.

    Exit status 0 if it is ready, 1 if not (the store has not answered, or it is stopping), 4 if none runs.

    \b
    Examples:
      emailproxy --config-file /etc/emailproxy/emailproxy.config status
      emailproxy status --url https://mail.example.com:8025 --token-file token --json
    """
    found = look(flags, where)
    if as_json:
        click.echo(json.dumps(_as_fields(found), indent=2))
    elif found.snapshot is not None:
        show_pairs(_of_snapshot(found.snapshot, time.time()))
    elif found.running and found.reading.status is not None:
        for line in status_lines(found.reading.status, running=True):
            click.echo(line)
        click.echo(f"\n{found.note}")
    if not found.running:
        if not flags.config_file.exists():
            configuration(flags.config_file)  # says so, and what to do
        end(Exit.NOT_RUNNING, _nobody(flags, found))
    if found.snapshot is not None:
        ready = found.snapshot.proxy.ready and not found.snapshot.proxy.draining
    else:
        ready = found.reading.status is not None and found.reading.status.ready
    sys.exit(Exit.STOPPED if ready else Exit.FAILED)


def _nobody(flags: Flags, found: Found) -> str:
    if found.reading.presence is Presence.STALE:
        return f"the proxy that wrote {status_path(flags.config_file)} has ended, and not cleanly"
    if found.reading.presence is Presence.UNREADABLE:
        return foreign(found.reading.problem)
    return f"no proxy runs with {flags.config_file}"


def _as_fields(found: Found) -> dict[str, object]:
    if found.snapshot is not None:
        return {"running": True, "source": "console"} | fields_of(found.snapshot)
    if found.running and found.reading.status is not None:
        return {"running": True, "source": "status file", "problem": found.problem} | asdict(found.reading.status)
    return {"running": False}


def _of_snapshot(told: Snapshot, now: float) -> Iterator[tuple[str, Cell]]:
    proxy, store = told.proxy, told.store
    state: Cell = ("ready", "green")
    if proxy.draining:
        state = ("stopping", "bold yellow")
    elif not proxy.ready:
        state = ("not ready, the store has not answered since the start", "bold red")
    yield "state", state
    yield "proxy", f"version {proxy.version}, process {proxy.pid}, up {span(now - proxy.started)}"
    yield "configuration", proxy.config + (f", read again {moment(int(proxy.reloaded))}" if proxy.reloaded else "")
    yield "console", ", ".join(proxy.addresses) or "-"
    for number, listener in enumerate(told.listeners):
        tls = {"none": "no TLS", "starttls": "STARTTLS", "tls": "TLS"}.get(listener.tls, listener.tls)
        where = ", ".join(listener.addresses)
        ends = listener.certificate_ends
        certificate = f", certificate until {moment(int(ends))}" if ends is not None else ""
        yield "" if number else "listeners", f"{listener.id} at {where} ({tls}{certificate}) for {listener.upstream}"
    logged_in = sum(session.account is not None for session in told.sessions)
    up, down = sum(each.up for each in told.sessions), sum(each.down for each in told.sessions)
    yield "sessions", f"{len(told.sessions):,}, logged in {logged_in:,}; {amount(up)} up, {amount(down)} down"
    worked, failed = sum(each[1] for each in told.logins), sum(each[2] for each in told.logins)
    logins = f"{worked:,} in the last hour, failed {failed:,}"
    yield "logins", (logins, "yellow") if failed else logins
    yield "accounts", _accounts(told.accounts, proxy.accounts)
    if told.pending:
        names = dict.fromkeys(foreign(each.account, 64) for each in told.pending)
        yield "waiting for consent", (", ".join(names), "bold yellow")
    reachable = {None: "not asked yet", True: "answers", False: "does not answer"}[store.reachable]
    since = f" since {moment(int(store.since))}" if store.since is not None else ""
    error = f": {store.error}" if store.error and not store.reachable else ""
    yield "store", (f"{store.address}, {reachable}{since}{error}", "" if store.reachable is not False else "bold red")
    if store.unsaved:
        unsaved = f"{counted(len(store.unsaved), 'account')}, kept in memory: {store.unsaved[0].error}"
        yield "not stored yet", (unsaved, "bold red")
    if store.deferred:
        yield "written later", f"{counted(store.deferred, 'account')}, on purpose: the stored token stays valid"


def _accounts(accounts: tuple[Account, ...], configured: int) -> Cell:
    states: dict[str, int] = {}
    for account in accounts:
        word = account.state.replace("_", " ")
        states[word] = states.get(word, 0) + 1
    if configured > len(accounts):  # of very many, a proxy tells of some
        states["not shown"] = configured - len(accounts)
    text = ", ".join(f"{word} {number:,}" for word, number in sorted(states.items(), key=lambda each: -each[1]))
    return text or "none", state_style("needs consent") if "needs consent" in states else ""


@click.command()
@click.option("--account", type=AccountName(), help="Only those of this account.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, times in Unix seconds.")
@where_options
@click.pass_obj
def sessions(flags: Flags, account: str | None, *, as_json: bool, where: Where) -> None:
    """List the mail sessions that are open: whose, from where, since when, and how much went through them.

    Exit status 4 if no proxy runs.

    \b
    Examples:
      emailproxy sessions
      emailproxy sessions --account you@example.com --json
    """
    place = reach(flags, where)
    told = run(flags, partial(snapshot, place))
    wanted = account.casefold() if account is not None else None
    found = [each for each in told.sessions if wanted is None or (each.account or "").casefold() == wanted]
    if as_json:
        click.echo(json.dumps({"sessions": [fields_of(each) for each in found]}, indent=2))
        return
    if not found:
        click.echo("no session is open" if account is None else f"{foreign(account)} has no session open")
        return
    now = time.time()
    show_table(("id", "listener", "account", "client", "open", "up", "down"), (_row(each, now) for each in found))
    click.echo(f"\n{counted(len(found), 'session')}")


def _row(session: Session, now: float) -> tuple[Cell, ...]:
    account: Cell = session.account if session.account is not None else ("not logged in", "bright_black")
    up, down = amount(session.up), amount(session.down)
    return session.id, session.listener, account, session.client, span(now - session.opened), up, down


@click.command()
@click.argument("session", type=SessionId(), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@where_options
@click.pass_obj
def kick(flags: Flags, session: tuple[str, ...], *, as_json: bool, where: Where) -> None:
    """End each SESSION, by the id that emailproxy sessions shows. Its mail client is told, and may connect again.

    To keep somebody out, revoke the app password or remove the account first.

    Exit status 1 if there is no such session, 4 if no proxy runs.

    \b
    Examples:
      emailproxy kick 0000002a
      emailproxy kick $(emailproxy sessions --account you@example.com --json | jq -r '.sessions[].id')
    """
    place = reach(flags, where)
    ended, failed = run(flags, partial(_kick, place, session))
    if as_json:
        click.echo(json.dumps({"ended": ended, "failed": failed}, indent=2))
    else:
        for each in ended:
            whose = each["account"] or "who had not logged in"
            click.echo(f"{each['id']}: session of {foreign(whose)} from {foreign(each['client'])} ended")
    if failed:
        end(Exit.FAILED, *([] if as_json else [each["error"] for each in failed]))


async def _kick(
    place: ConsolePlace, wanted: tuple[str, ...]
) -> tuple[list[dict[str, str | None]], list[dict[str, str]]]:
    ended: list[dict[str, str | None]] = []
    failed: list[dict[str, str]] = []
    for each in dict.fromkeys(wanted):
        try:
            answer = await ask(place, f"/api/sessions/{quote(each, safe='')}/kick")
        except AnswerError as error:
            failed.append({"id": each, "error": str(error)})
        else:
            ended.append({name: answer.get(name) for name in ("id", "account", "client")})
    return ended, failed
