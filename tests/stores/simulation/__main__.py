"""What can be typed? ``python -m tests.stores.simulation [--store NAME]… [--seconds N]``, or ``--policies``."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import pytest
import trio

from tests.stores.places import PLACES
from tests.stores.simulation.rotation import Behaviour
from tests.stores.simulation.run import Figures, Plan, simulate
from tests.stores.simulation.table import cells, table

OPTIONS = ("reusable", "rotating", "single_use")


@click.command()
@click.option("--store", "stores", multiple=True, type=click.Choice(list(PLACES)), help="May be repeated.  [all]")
@click.option("--seconds", type=float, default=Plan.seconds, show_default=True, help="For which replicas are killed.")
@click.option("--accounts", type=int, default=Plan.strict, show_default=True, help="At each kind of provider.")
@click.option("--settle", type=float, help="Seconds at the end without kills.  [until the turns of the dead are over]")
@click.option("--refresh-tokens", type=click.Choice(OPTIONS), default=Plan.refresh_tokens, show_default=True)
@click.option("--behaviour", type=click.Choice(list(Behaviour)), default=Plan.behaviour, show_default=True)
@click.option("--policies", is_flag=True, help="Every option against every behaviour, on the first store.")
@click.option("--losses", is_flag=True, help="Tell the story of each loss.")
def main(
    *,
    stores: tuple[str, ...],
    seconds: float,
    accounts: int,
    settle: float | None,
    refresh_tokens: str,
    behaviour: str,
    policies: bool,
    losses: bool,
) -> None:
    """Replicas share a store and are killed all the time; which accounts are lost?"""
    plan = Plan(
        seconds=seconds,
        strict=accounts,
        lenient=accounts,
        settle=settle,
        refresh_tokens=refresh_tokens,
        behaviour=Behaviour(behaviour),
    )
    plans = {"": plan}
    if policies:
        plans = {
            f"{option}, {kind}": replace(plan, refresh_tokens=option, behaviour=kind)
            for option in OPTIONS
            for kind in Behaviour
        }
    lines = []
    for store in stores or (("file",) if policies else tuple(PLACES)):
        for name, one in plans.items():
            try:
                figures = run(store, one)
            except pytest.skip.Exception as error:
                click.echo(f"{store}: {error.msg}", err=True)
                break
            lines.append((f"{store}, {name}" if name else store, *cells(figures, one)))
            click.echo(f"{lines[-1][0]}: done", err=True)
            for loss in figures.losses if losses else ():
                click.echo(f"  {loss.account}: {loss.cause}, {loss.seen} {loss.story}", err=True)
    click.echo(table(lines, "store, refresh_tokens, used token" if policies else "store"))


def run(store: str, plan: Plan) -> Figures:
    """One simulation with doubles of its own."""
    with tempfile.TemporaryDirectory(prefix="emailproxy-place-") as folder, PLACES[store](Path(folder)) as place:
        return trio.run(partial(simulate, place, plan))


if __name__ == "__main__":
    sys.exit(main())
