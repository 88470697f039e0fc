"""What stands before a command, and what runs without one? The flags, and the proxy itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

import emailproxy
from emailproxy.cli.commands import COMMANDS
from emailproxy.cli.flags import Flags
from emailproxy.cli.lazy import LazyGroup

__all__ = ["cli"]

DEFAULT_CONFIG: Final = "emailproxy.config"


def _show_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """As click's own option does, but the version is looked up when it is asked for."""
    if not value or context.resilient_parsing:
        return
    click.echo(f"emailproxy, version {emailproxy.__version__}")
    context.exit()


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Signals: SIGHUP reloads the configuration, SIGUSR1 toggles debug, SIGINT, SIGTERM and SIGQUIT stop;"
    " a second one stops at once.  Exit status: 0 stopped as asked, 1 failure, 2 faulty configuration or flags,"
    " 3 no listener could be opened.",
)
@click.option("--no-gui", is_flag=True, help="Accepted for old command lines; there is no tray icon.")
@click.option(
    "--external-auth", is_flag=True, help="Print the authorisation URL and wait for the redirected URL to be pasted."
)
@click.option(
    "--local-server-auth", is_flag=True, help="Print the authorisation URL and receive the redirect here (wins)."
)
@click.option(
    "--config-file",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration.",
)
@click.option(
    "--cache-store",
    metavar="ID",
    help="Where tokens are kept: a path, or PREFIX:IDENTIFIER.  [default: the configuration file itself]",
)
@click.option("--log-file", type=click.Path(path_type=Path), help="Log there instead of stderr; 32 MB, 10 old files.")
@click.option(
    "--log-to",
    metavar="TARGET",
    help="Where the log goes: stderr, journald, syslog[:ADDRESS] or a file.  [default: stderr]",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least that is logged.",
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How it is logged."
)
@click.option("--debug", is_flag=True, help="Log the dialogue before login too, credentials removed.")
@click.option("--debug-content", is_flag=True, help="With --debug: log what sessions carry after login, mail included.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.pass_context
def cli(
    context: click.Context,
    *,
    no_gui: bool,
    external_auth: bool,
    local_server_auth: bool,
    config_file: Path,
    cache_store: str | None,
    log_file: Path | None,
    log_to: str | None,
    log_level: str,
    log_format: str,
    debug: bool,
    debug_content: bool,
) -> None:
    """Let mail clients that only know a password reach servers that want OAuth 2.0.

    Without a command: run the proxy, until a signal stops it.

    \b
    Examples:
      emailproxy sample-config office365 > emailproxy.config
      emailproxy check
      emailproxy --local-server-auth
    """
    del no_gui
    context.obj = Flags(config_file, cache_store)
    if context.invoked_subcommand is not None:
        return
    # Here and not above: a command needs neither.
    from emailproxy.cli.starting import start
    from emailproxy.logs import LogError, set_up

    level = "debug" if debug or debug_content else log_level
    if log_file is not None and log_to is not None:
        raise click.UsageError("--log-file and --log-to say both where the log goes; leave one out")
    option, target = "--log-to", log_to or "stderr"
    if log_file is not None:
        option, target = "--log-file", str(log_file.absolute())
    try:
        set_up(level=level, json_lines=log_format == "json", target=target, content=debug_content)
    except LogError as error:
        raise click.UsageError(f"{option} {error}") from None
    context.exit(
        start(
            config_file,
            cache_store=cache_store,
            external_auth=external_auth,
            local_server_auth=local_server_auth,
            log_level=level,
        )
    )
