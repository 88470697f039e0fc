"""How are the figures of several simulations shown? One line each."""

from __future__ import annotations

from collections.abc import Sequence

from tests.stores.simulation.run import Cause, Figures, Plan

__all__ = ["HEAD", "cells", "table"]

HEAD = (
    "refreshes", "a second", "kills", "writes", "conflicts", "waited", "slowest write", "overdue",
    "lost by competition", "orphaned by a kill", "lost with grace",
)  # fmt: skip


def cells(figures: Figures, plan: Plan) -> tuple[str, ...]:
    """The figures in the order of `HEAD`."""
    return (
        str(figures.refreshes),
        f"{figures.refreshes / figures.seconds:.0f}",
        str(figures.kills),
        str(figures.saves),
        str(figures.conflicts),
        str(figures.waited),
        f"{figures.slowest:.2f} s",
        str(figures.overdue),
        f"{figures.lost(Cause.COMPETITION)}/{plan.strict}",
        str(figures.lost(Cause.ORPHANED)),
        f"{figures.lost_in_grace}/{plan.lenient}",
    )


def table(lines: Sequence[tuple[str, ...]], first: str = "store") -> str:
    """A Markdown table of lines that begin with a name."""
    every = [(first, *HEAD), *lines]
    widths = [max(len(line[column]) for line in every) for column in range(len(every[0]))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in every
    ]
    text.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(text)
