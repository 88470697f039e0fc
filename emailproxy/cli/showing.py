"""Who reads what a command prints? A person at a terminal gets tables and colours, a pipe gets plain lines.

Tables with colours come from rich, which the extra ``console`` brings; without it they are plain at a terminal as well.
What came from outside is made fit for one line before it is shown, and never read as markup.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from emailproxy.cli.tables import pairs, table
from emailproxy.oauth.foreign import foreign

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["Cell", "cell_text", "rich_console", "rich_table", "show_pairs", "show_table", "state_style"]

Cell = str | tuple[str, str]
"""A text, or a text and its style (of rich)."""

_STATES = {"ok": "green", "needs consent": "bold red", "never used": "bright_black", "unknown": "yellow"}


def rich_console() -> Console | None:
    """The terminal that standard output is, if rich is there to write on it."""
    if not sys.stdout.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(highlight=False, soft_wrap=False)


def show_table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows below their head."""
    console = rich_console()
    if console is not None:
        console.print(rich_table(head, rows))
        return
    for line in table(head, ([cell_text(cell) for cell in row] for row in rows)):
        click.echo(line)


def show_pairs(rows: Iterable[tuple[str, Cell]]) -> None:
    """Print names and values."""
    console = rich_console()
    if console is not None:
        made = rich_table((), ([(name, "bold"), value] for name, value in rows), columns=2)
        console.print(made)
        return
    for line in pairs((name, cell_text(value)) for name, value in rows):
        click.echo(line)


def rich_table(head: Sequence[str], rows: Iterable[Sequence[Cell]], columns: int = 0) -> Table:
    """The same as a table of rich; numbers stand on the right."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, show_header=bool(head), header_style="bold", padding=(0, 2, 0, 0))
    for title in head or [""] * columns:
        made.add_column(title, overflow="fold", justify="right" if title in ("up", "down", "ms") else "left")
    for row in rows:
        made.add_row(*(Text(cell) if isinstance(cell, str) else Text(*cell) for cell in map(_clean, row)))
    return made


def cell_text(cell: Cell) -> str:
    """Without its style."""
    return cell if isinstance(cell, str) else cell[0]


def state_style(word: str) -> str:
    """How an account's state, which begins with `word`, looks."""
    return next((style for state, style in _STATES.items() if word.startswith(state)), "")


def _clean(cell: Cell) -> Cell:
    return foreign(cell) if isinstance(cell, str) else (foreign(cell[0]), cell[1])
