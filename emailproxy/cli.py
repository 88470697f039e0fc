"""What can be typed? Commands and flags; the only place that prints to the terminal and exits."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Final

import click
import trio

from emailproxy import __version__
from emailproxy.app import NothingToServeError, Options, Proxy, handle_signals
from emailproxy.config import PROVIDERS, Config, ConfigError, describe, load, sample
from emailproxy.logs import set_up
from emailproxy.store.base import StoreError

__all__ = ["Exit", "main"]

DEFAULT_CONFIG: Final = "emailproxy.config"


class Exit(enum.IntEnum):
    """Every way to end has a number."""

    STOPPED = 0
    """Asked to stop, or the command did what it says."""
    FAILED = 1
    """A mistake in emailproxy, or a step of the demonstration failed."""
    CONFIGURATION = 2
    """Faults in the configuration file, the flags or the store's address; nothing was opened."""
    NOTHING_TO_SERVE = 3
    """Not one listener could be opened."""


@click.group(
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
@click.version_option(__version__, "--version", prog_name="emailproxy")
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
    context.obj = config_file
    if context.invoked_subcommand is not None:
        return
    level = "debug" if debug or debug_content else log_level
    try:
        set_up(level=level, json_lines=log_format == "json", file=log_file, content=debug_content)
    except OSError as error:
        raise click.UsageError(f"--log-file {log_file}: {error.strerror}; choose a path that can be written") from None
    options = Options(cache_store=cache_store, external_auth=external_auth, local_server_auth=local_server_auth)
    proxy = Proxy(_load(config_file), options)
    context.exit(trio.run(_serve, proxy, level))


@cli.command(short_help="Check the configuration; print what would be served.")
@click.pass_obj
def check(config_file: Path) -> None:
    """Check the configuration and print what would be served; open nothing.

    Exit status 2 if there is a fault.

    \b
    Example:
      emailproxy --config-file /etc/emailproxy.config check
    """
    click.echo(describe(_load(config_file)), nl=False)


@cli.command("sample-config", short_help="Print a commented sample configuration.")
@click.argument("provider", metavar="[PROVIDER]", required=False, type=click.Choice(list(PROVIDERS)))
def sample_config(provider: str | None) -> None:
    """Print a commented sample configuration, for all providers or for one.

    These are known: office365, outlook, gmail, fastmail, yahoo, aol and 21vianet.

    \b
    Example:
      emailproxy sample-config gmail > emailproxy.config
    """
    click.echo(sample(provider), nl=False)


@cli.command(short_help="Show mail going through, on this machine alone.")
@click.option("--once", is_flag=True, help="End after the last step; exit status 0 only if every step worked.")
@click.pass_context
def demo(context: click.Context, *, once: bool) -> None:
    """Show mail going through, with a simulated provider on this machine; no network, no root, no account.

    \b
    Example:
      emailproxy demo --once
    """
    from emailproxy.demo import run_demo

    context.exit(Exit.STOPPED if trio.run(lambda: run_demo(once=once)) == 0 else Exit.FAILED)


def main() -> None:
    """The command ``emailproxy``."""
    cli(prog_name="emailproxy")


def _load(config_file: Path) -> Config:
    """The configuration, or every fault on stderr and the end."""
    try:
        return load(config_file)
    except ConfigError as error:
        for fault in error.faults:
            click.echo(f"emailproxy: {fault}", err=True)
        sys.exit(Exit.CONFIGURATION)


async def _serve(proxy: Proxy, log_level: str) -> int:
    status = Exit.STOPPED
    async with trio.open_nursery() as nursery:
        # Ready before the log says that we listen: whoever reads that may send a signal at once.
        await nursery.start(handle_signals, proxy, log_level)
        try:
            await proxy.run()
        except StoreError as error:
            click.echo(f"emailproxy: {error}", err=True)
            status = Exit.CONFIGURATION
        except NothingToServeError as error:
            click.echo(f"emailproxy: {error}", err=True)
            status = Exit.NOTHING_TO_SERVE
        nursery.cancel_scope.cancel()
    return status
