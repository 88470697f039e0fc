"""How does mail go through? ``emailproxy demo`` shows it on this machine."""

from __future__ import annotations

import click
import trio

from emailproxy.cli.exits import Exit

__all__ = ["demo"]


@click.command()
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
