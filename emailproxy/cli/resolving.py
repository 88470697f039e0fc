"""Do the configuration's references lead to something? ``emailproxy check --resolve``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from emailproxy.cli.exits import Exit
from emailproxy.config import ConfigError, describe, load
from emailproxy.references.report import resolve
from emailproxy.references.sources import Sources

__all__ = ["check_resolved"]


def check_resolved(config_file: Path) -> Exit:
    """Print what would be served, and what becomes of each reference; faults go to stderr."""
    status = Exit.STOPPED
    with closing(Sources()) as sources:
        try:
            config = load(config_file, sources)
            uses = config.references
            click.echo(describe(config), nl=False)
        except ConfigError as error:
            uses, status = error.references, Exit.CONFIGURATION
            for fault in error.faults:
                click.echo(f"emailproxy: {fault}", err=True)
        findings = resolve(uses, sources)
    click.echo("\nResolved" if findings else "\nThere is no reference in this file.")
    for finding in findings:
        click.echo(f"  {finding}")
        if not finding.good:
            status = Exit.CONFIGURATION
    return status
