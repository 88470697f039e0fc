"""Where does everything go that was measured? Tables to the terminal, JSON and plots into a folder, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from benchmarks import plots, report, sanity
from benchmarks.setting import Measured
from benchmarks.witness import Witness

__all__ = ["Outcome"]


class Outcome:
    """Collects the modes of one run."""

    def __init__(self, folder: Path, about: Mapping[str, object], *, as_json: bool) -> None:
        self._folder, self._about, self._as_json = folder, about, as_json
        self._faults: list[str] = []
        self._checked = 0
        self._failed = False

    def begin(self, missing: Mapping[str, str]) -> None:
        """Say who is not measured, and what would be needed for it."""
        for name, needs in missing.items():
            click.echo(f"{name} is not measured, it needs {needs}", err=True)

    def add(self, mode: str, measured: Measured, witness: Witness) -> None:
        """Show and keep what a mode has measured."""
        lines = witness.lines()
        document = report.as_json(mode, measured, self._about, lines)
        if self._as_json:
            click.echo(document)
        else:
            for title, results in measured.items():
                if results:
                    click.echo(report.table(title, results))
            for line in lines:
                click.echo(line)
            click.echo()
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{mode}.json").write_text(document + "\n")
        for name, picture in plots.of(mode, measured).items():
            (self._folder / f"{name}.svg").write_text(picture)
        checked, faults = sanity.check(mode, measured)
        self._checked += checked
        self._faults += faults

    def failed(self, mode: str, error: Exception, logs: str) -> None:
        """A mode did not complete."""
        self._failed = True
        click.echo(f"\n{mode} FAILED: {type(error).__name__}: {error}\n{logs}", err=True)

    def end(self, *, check: bool) -> bool:
        """Say what it was measured on, and with `check` whether all is sane; whether it is, and nothing failed."""
        click.echo(
            "Measured on " + ", ".join(f"{key} {value}" for key, value in self._about.items()), err=self._as_json
        )
        click.echo(f"JSON and plots are in {self._folder}", err=True)
        if not check:
            return not self._failed
        for fault in self._faults:
            click.echo(f"NOT SANE: {fault}", err=True)
        click.echo(f"{self._checked} figures checked, {len(self._faults)} not sane", err=True)
        return not self._faults and not self._failed
