"""What can be typed? ``python -m benchmarks relay``, ``all`` ..., and what makes pages of what a run wrote."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from benchmarks import pages, running, targets
from benchmarks.recorded import Recorded

__all__ = ["main"]

FILES = click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="FILE..."
)


@click.group(
    context_settings={"max_content_width": 120},
    commands={name: running.command(name) for name in running.RUNS},
)
def main() -> None:
    """Measure what our proxy costs, and everybody beside it, side by side in one run.

    What each mode and each row means: benchmarks/README.md. FILE is the JSON that a run has written, or its folder.
    """


def _read(files: tuple[Path, ...]) -> Recorded:
    try:
        return Recorded.read(files)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None


@main.command("targets", short_help="Which targets a run meets.")
@FILES
def show_targets(files: tuple[Path, ...]) -> None:
    """Each target, what was measured, and whether it is met; status 1 if one is missed."""
    verdicts = targets.judge(_read(files))
    click.echo(targets.shown(verdicts))
    if any(verdict.verdict == "missed" and not verdict.further for verdict in verdicts):
        sys.exit(1)


@main.command(short_help="The README's plot and figures.")
@FILES
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("docs/images/benchmarks.svg"),
    show_default=True,
    help="Where the plot goes.",
)
def readme(files: tuple[Path, ...], plot: Path) -> None:
    """Draw the one plot of the README, and print its three figures with date, machine and command, in Markdown."""
    run = _read(files)
    plot.parent.mkdir(parents=True, exist_ok=True)
    plot.write_text(pages.plot(run))
    click.echo(pages.figures(run, plot))


@main.command(short_help="The tables of docs/benchmarks.md.")
@FILES
@click.option(
    "--into",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Put them between the marks in this page, in place of what stands there.  [default: print them]",
)
def docs(files: tuple[Path, ...], into: Path | None) -> None:
    """Every table of a run and its targets, in Markdown."""
    text = pages.tables(_read(files))
    if into is None:
        click.echo(text)
        return
    try:
        into.write_text(pages.inserted(into.read_text(), text))
    except ValueError as error:
        raise click.ClickException(f"{into}: {error}") from None


if __name__ == "__main__":
    # As Ctrl-C: who is told to end does not leave the rows running.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    main()
