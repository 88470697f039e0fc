"""Does any account lose its authorisation when replicas that share a store are killed all the time?

See `tests.stores.simulation.run` for what counts as a loss. Longer runs, and the table of docs/stores.md:
``python -m tests.stores.simulation --seconds 60``.
"""

from __future__ import annotations

import os

import pytest

from tests.stores.simulation.__main__ import run
from tests.stores.simulation.run import Cause, Figures, Plan
from tests.stores.simulation.table import HEAD, cells

SECONDS = float(os.environ.get("EMAILPROXY_SIMULATION_SECONDS", "8"))
"""For which replicas are killed, per store; the stores' tests shall not take many minutes."""
LEAST = 4.0
"""Refreshes a second that make a run worth something. Half of what the slowest store did on two busy cores."""
GUARDED = ("file", "aws-moto", "aws-ministack", "aws-document", "gcp", "azure-lease")
"""All stores that can compare and swap."""


def simulated(store: str, plan: Plan, capsys: pytest.CaptureFixture[str]) -> Figures:
    figures = run(store, plan)
    with capsys.disabled():
        pairs = zip(HEAD, cells(figures, plan), strict=True)
        print(f"\n{store}: " + ", ".join(f"{name} {value}" for name, value in pairs))
    assert figures.kills >= int(plan.seconds / (2 * plan.kill_every))
    assert figures.refreshes >= LEAST * plan.seconds
    return figures


@pytest.mark.parametrize("store", GUARDED)
def test_no_account_is_lost(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    # With blob leases the turns of the dead last for 45 s; the long run of the command waits for them.
    plan = Plan(seconds=SECONDS, settle=1.0 if store == "azure-lease" else None)
    figures = simulated(store, plan, capsys)
    wrong = [loss for loss in figures.losses if loss.cause is Cause.COMPETITION or loss.lenient]
    assert not wrong, f"{wrong}; the slowest write took {figures.slowest} s"


def test_a_vault_without_leases_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """It has no compare and swap, so there is nothing to promise; docs/stores.md has the figure of a long run."""
    figures = simulated("azure", Plan(seconds=SECONDS), capsys)
    assert figures.saves > figures.refreshes  # turns were taken


def test_without_turns_accounts_are_lost() -> None:
    """The simulation can see a loss: the same replicas, told that a used refresh token is merely refused."""
    figures = run("file", Plan(seconds=3.0, kill_every=5.0, refresh_tokens="rotating", settle=0.0))
    assert figures.lost(Cause.COMPETITION) >= 3
    assert not figures.lost(Cause.ORPHANED)
