"""What happens in the running proxy, as it happens? ``emailproxy watch``: a live view, lines, or JSON."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from functools import partial

import click

from emailproxy.cli.amounts import amount, counted, span
from emailproxy.cli.common import Flags
from emailproxy.cli.reaching import Where, reach, run, where_options
from emailproxy.cli.showing import rich_console
from emailproxy.console.messages import (
    Account,
    AccountGone,
    Doctor,
    DoctorDone,
    Envelope,
    Listener,
    ListenerGone,
    Login,
    Notice,
    Pending,
    PendingGone,
    Proxy,
    Session,
    SessionClosed,
    Snapshot,
    Store,
)
from emailproxy.oauth.foreign import foreign
from emailproxy.remote.events import follow
from emailproxy.remote.place import ConsolePlace

__all__ = ["line_of", "watch"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object a line, as /events tells it.")
@where_options
@click.pass_obj
def watch(flags: Flags, *, as_json: bool, where: Where) -> None:
    """Show what happens in the running proxy, until Ctrl-C: sessions, logins, authorisations, warnings.

    In a terminal this is a live view; in a pipe a line for each event; with --json one JSON object a line, which
    docs/console.md describes. When the connection is lost, it comes back and goes on where it was.

    Exit status 0 after Ctrl-C, 4 if no proxy runs.

    \b
    Examples:
      emailproxy watch
      emailproxy watch | grep 'login failed'
      emailproxy watch --json | jq 'select(.type == "login")'
    """
    place = reach(flags, where)
    console = None if as_json else rich_console()
    if console is not None:
        from emailproxy.cli.live_view import show_live

        run(flags, partial(show_live, place, console), endless=True)
    else:
        run(flags, partial(_print, place, as_json=as_json), endless=True)


async def _print(place: ConsolePlace, *, as_json: bool) -> None:
    def tell(envelope: Envelope, text: str) -> bool:
        line = text if as_json else line_of(envelope)
        if line is None:
            return False
        try:
            click.echo(line)
            sys.stdout.flush()
        except BrokenPipeError:  # head, or grep -q, has seen enough
            # What Python would still flush at its end goes nowhere, instead of being a complaint.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return True
        return False

    def lost(why: str, seconds: float) -> None:
        click.echo(f"emailproxy: {foreign(why)}; coming back in {seconds:g} s", err=True)

    await follow(place, tell, lost)


def line_of(envelope: Envelope) -> str | None:
    """What a person reads of a message in a pipe; None: nothing."""
    words = _words(envelope)
    if words is None:
        return None
    return f"{datetime.fromtimestamp(envelope.time, UTC):%Y-%m-%d %H:%M:%S} UTC  {foreign(words, 2048)}"


def _words(envelope: Envelope) -> str | None:
    match envelope.message:
        case Snapshot() as told:
            sessions = counted(len(told.sessions), "session")
            accounts = counted(max(len(told.accounts), told.proxy.accounts), "account")
            return f"proxy {told.proxy.version}, process {told.proxy.pid}: {sessions}, {accounts}"
        case Proxy() as proxy:
            return f"proxy {'is stopping' if proxy.draining else 'is ready' if proxy.ready else 'is not ready'}"
        case Listener() as listener:
            return f"{listener.id} listens at {', '.join(listener.addresses)} for {listener.upstream}"
        case ListenerGone(section):
            return f"{section} listens no more"
        case Session() as session if session.account is None:
            return f"session {session.id} opened by {session.client} at {session.listener}"
        case Session() as session:
            return f"session {session.id} of {session.account} from {session.client}"
        case SessionClosed() as over:
            octets = f"{amount(over.up)} up, {amount(over.down)} down"
            return f"session {over.id} closed after {span(over.seconds)}: {over.ending}; {octets}"
        case Login() as login:
            outcome = "ok" if login.outcome == "ok" else f"failed ({login.outcome}, ref {login.ref})"
            took = f"{login.milliseconds:.0f} ms"
            return f"login {outcome} of {login.account} from {login.client} at {login.listener} in {took}"
        case Account() as account:
            why = f", {account.why}" if account.why else ""
            return f"account {account.name}: {account.state.replace('_', ' ')}{why}"
        case AccountGone(name):
            return f"account {name} is not in the configuration any more"
        case Pending() as pending:
            code = f", code {pending.user_code}" if pending.user_code is not None else ""
            return f"account {pending.account} waits for consent{code}; emailproxy authorise {pending.account}"
        case PendingGone() as gone:
            return f"account {gone.account}: authorisation {gone.outcome}"
        case Store() as store:
            error = f": {store.error}" if store.error and not store.reachable else ""
            if store.reachable is None or (store.reachable and not store.unsaved):
                return None  # its counts of calls, which are for machines
            return f"store {store.address} {'answers' if store.reachable else 'does not answer'}{error}"
        case Notice() as notice:
            advice = f" -> {notice.advice}" if notice.advice else ""
            return f"{notice.level}: {notice.message}{advice}"
        case Doctor() as step if step.outcome != "running":
            return f"doctor {step.run}: {step.subject} {step.step}: {step.outcome} {step.words}"
        case DoctorDone() as done:
            return f"doctor {done.run} is done: {counted(done.failures, 'failure')}"
        case _:
            return None
