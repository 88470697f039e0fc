"""Does any account lose its authorisation when replicas that share a store are killed all the time?

See `tests.stores.simulation.run` for what counts as a loss. Longer runs, and the table of docs/stores.md:
``python -m tests.stores.simulation --seconds 60``.
"""

from __future__ import annotations

import os
from dataclasses import replace
from math import inf

import pytest

from tests.stores.simulation.__main__ import run
from tests.stores.simulation.run import Cause, Figures, Plan
from tests.stores.simulation.table import HEAD, cells

SECONDS = float(os.environ.get("EMAILPROXY_SIMULATION_SECONDS", "8"))
"""For which replicas are killed, per store; the stores' tests shall not take many minutes."""
LEAST = 32
"""Refreshes that make a run worth something: what the slowest store does in four seconds of a core of its own."""
STRETCHED = (1, 2, 4)
"""How much longer turns may last, in turn, on a machine that is too busy for shorter ones."""
GUARDED = ("file", "aws-moto", "aws-ministack", "aws-document", "gcp", "azure-lease")
"""All stores that can compare and swap."""


def simulated(store: str, plan: Plan, capsys: pytest.CaptureFixture[str]) -> Figures:
    figures = run(store, plan)
    with capsys.disabled():
        pairs = zip(HEAD, cells(figures, plan), strict=True)
        print(f"\n{store}: " + ", ".join(f"{name} {value}" for name, value in pairs))
    return figures


@pytest.mark.timeout(900)  # for three runs, each of which may wait long for a core
@pytest.mark.parametrize("store", GUARDED)
def test_no_account_is_lost(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    # With blob leases the turns of the dead last for 46 s; the long run of the command waits for them.
    plan = Plan(seconds=SECONDS, refreshes=LEAST, settle=1.0 if store == "azure-lease" else None)
    for stretch in STRETCHED:
        figures = simulated(store, replace(plan, stretch=stretch), capsys)
        wrong = [loss for loss in figures.losses if loss.cause is Cause.COMPETITION or loss.lenient]
        if not wrong:
            return
        # Turns here last for seconds, and for a minute in the proxy. One that a busy machine let run out in the middle
        # of a request or a write is no fault of the rules.
        assert figures.overdue, f"{wrong}; the slowest write took {figures.slowest} s"
    pytest.fail(f"lost with turns of any length: {wrong}; {figures.overdue} requests and writes outlasted their turns")


def test_a_vault_without_leases_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """It has no compare and swap, so there is nothing to promise; docs/stores.md has the figure of a long run."""
    figures = simulated("azure", Plan(seconds=SECONDS, refreshes=LEAST), capsys)
    assert figures.saves > figures.refreshes  # turns were taken


def test_without_turns_accounts_are_lost() -> None:
    """The simulation can see a loss: the same replicas, told that a used refresh token is merely refused."""
    figures = run("file", Plan(seconds=3.0, kill_every=inf, refresh_tokens="rotating", settle=0.0, losses=3))
    assert figures.lost(Cause.COMPETITION) >= 3
    assert not figures.lost(Cause.ORPHANED)
