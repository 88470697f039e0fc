"""How is a running proxy told to read its configuration again, or to stop? ``emailproxy reload`` and ``drain``."""

from __future__ import annotations

import json
from functools import partial

import click

from emailproxy.cli.amounts import counted
from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.reaching import Where, ended, reach, run, where_options
from emailproxy.remote.calls import ask
from emailproxy.remote.ending import await_end
from emailproxy.remote.errors import AnswerError, RemoteError

__all__ = ["drain", "reload"]

_FAULTY = 422


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@where_options
@click.pass_obj
def reload(flags: Flags, *, as_json: bool, where: Where) -> None:
    """Let the running proxy read its configuration again, as SIGHUP does. No session is lost.

    The proxy checks it first: a faulty file changes nothing.

    Exit status 2 if the configuration has faults, which are printed; 4 if no proxy runs.

    \b
    Example:
      emailproxy check && emailproxy reload
    """
    place = reach(flags, where)
    try:
        answer = run(flags, partial(ask, place, "/api/reload"), ends=False)
    except AnswerError as error:
        faults = error.fields.get("faults") if error.status == _FAULTY else None
        if as_json:
            click.echo(json.dumps(dict(error.fields), indent=2))
        if not isinstance(faults, list):
            end(Exit.FAILED, *([] if as_json else [error]))
        end(Exit.CONFIGURATION, *([] if as_json else [*faults, error]))
    except RemoteError as error:
        ended(error, flags)
    if as_json:
        click.echo(json.dumps(dict(answer), indent=2))
        return
    for warning in answer.get("warnings", []):
        click.echo(f"emailproxy: {warning}", err=True)
    servers, accounts = counted(int(answer["servers"]), "server"), counted(int(answer["accounts"]), "account")
    click.echo(f"configuration reloaded: {servers}, {accounts}")


@click.command()
@click.option("--now", is_flag=True, help="End at once; mail clients are told, and lose what is under way.")
@click.option("--wait", is_flag=True, help="Return when the proxy has ended.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@where_options
@click.pass_obj
def drain(flags: Flags, *, now: bool, wait: bool, as_json: bool, where: Where) -> None:
    """Stop the running proxy as SIGTERM does: it accepts nothing more, and ends when its last session has.

    Sessions get as many seconds as the configuration says (drain, 30 if it does not); a second drain changes nothing
    of that, --now ends the wait.

    Exit status 4 if no proxy runs.

    \b
    Examples:
      emailproxy drain
      emailproxy drain --wait
      emailproxy drain --now
    """
    place = reach(flags, where)
    answer = run(flags, partial(ask, place, "/api/drain", {"now": now}))
    if not as_json:
        left, seconds = counted(int(answer["sessions"]), "session"), float(answer["seconds"])
        click.echo(
            f"the proxy ends now, with {left}" if now else f"the proxy is stopping: {left}, at most {seconds:g} s"
        )
    if wait:
        run(flags, partial(await_end, place))
    if as_json:
        click.echo(json.dumps(dict(answer) | {"ended": wait}, indent=2))
    elif wait:
        click.echo("the proxy has ended")
