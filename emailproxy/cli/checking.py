"""What does a configuration say, and how does one begin? ``emailproxy check`` and ``emailproxy sample-config``."""

from __future__ import annotations

import sys

import click

from emailproxy.cli.common import Flags, configuration
from emailproxy.config import PROVIDERS, describe, sample

__all__ = ["check", "sample_config"]


@click.command()
@click.option(
    "--resolve", is_flag=True, help="Follow each reference too; print its length and last change, never its value."
)
@click.pass_obj
def check(flags: Flags, *, resolve: bool) -> None:
    """Check the configuration and print what would be served; serve nothing.

    Values that stand elsewhere are read, as they would be at the start, but for the client's id and secret.
    Exit status 2 if there is a fault, or with --resolve a reference that leads nowhere.

    \b
    Example:
      emailproxy --config-file /etc/emailproxy.config check
      emailproxy check --resolve
    """
    if resolve:
        from emailproxy.cli.resolving import check_resolved

        sys.exit(check_resolved(flags.config_file))
    click.echo(describe(configuration(flags.config_file)), nl=False)


@click.command("sample-config")
@click.argument("provider", metavar="[PROVIDER]", required=False, type=click.Choice(list(PROVIDERS)))
@click.option(
    "--full", is_flag=True, help="Write out the addresses, scopes and ports that a provider's name stands for."
)
def sample_config(provider: str | None, *, full: bool) -> None:
    """Print a commented sample configuration, for all providers or for one.

    These are known: office365, outlook, gmail, workspace, fastmail, yahoo, aol, 21vianet and us-gov.

    \b
    Example:
      emailproxy sample-config gmail > emailproxy.config
    """
    click.echo(sample(provider, full=full), nl=False)
