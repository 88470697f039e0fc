"""Where does everything go that was measured? Tables to the terminal, JSON and plots into a folder, and a verdict."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from benchmarks import plots, report, sanity, targets
from benchmarks.flames import Drawn
from benchmarks.recorded import Recorded
from benchmarks.setting import Measured
from benchmarks.witness import Witness

__all__ = ["TOGETHER", "Outcome"]

TOGETHER = "all.json"
"""Every mode of a run in one file, written anew whenever one ends."""


class Outcome:
    """Collects the modes of one run."""

    def __init__(self, folder: Path, about: Mapping[str, object], *, as_json: bool, together: bool = False) -> None:
        self._folder, self._about, self._as_json, self._together = folder, about, as_json, together
        self._documents: dict[str, Mapping[str, Any]] = {}
        self._faults: list[str] = []
        self._failures: list[str] = []
        self._checked = 0

    def begin(self, missing: Mapping[str, str]) -> None:
        """Say who is not measured, and what would be needed for it."""
        for name, needs in missing.items():
            click.echo(f"{name} is not measured, it needs {needs}", err=True)

    def add(self, mode: str, measured: Measured, witness: Witness) -> None:
        """Show and keep what a mode has measured."""
        lines = witness.lines()
        document = report.document(mode, measured, self._about, lines)
        text = json.dumps(document, indent=2)
        if self._as_json:
            click.echo(text)
        else:
            for title, results in measured.items():
                if results:
                    click.echo(report.table(title, results))
            for line in lines:
                click.echo(line)
            click.echo()
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{mode}.json").write_text(text + "\n")
        self._documents[mode] = document
        if self._together:
            (self._folder / TOGETHER).write_text(Recorded(self._documents).together())
        for name, picture in plots.of(mode, measured).items():
            (self._folder / f"{name}.svg").write_text(picture)
        self._failures += [
            f"{mode}: {title}: {result.row.name}: {result.failed}"
            for title, results in measured.items()
            for result in results
            if result.failed is not None
        ]
        checked, faults = sanity.check(mode, measured)
        self._checked += checked
        self._faults += faults

    def profiled(self, drawn: Iterable[Drawn]) -> None:
        """Say which flame graphs there are; one that is missing is a failure, as somebody asked for it."""
        for one in drawn:
            click.echo(str(one), err=True)
            if one.file is None:
                self._failures.append(str(one))

    def failed(self, what: str, error: Exception, logs: str = "") -> None:
        """A mode did not complete, or a row did not start; it is said at once, and again at the end."""
        message = f"{what}: {type(error).__name__}: {error}"
        self._failures.append(message)
        click.echo(f"\nFAILED: {message}\n{logs}", err=True)

    def end(self, *, check: bool) -> bool:
        """Say what it was measured on, and with `check` whether all is sane; whether it is, and nothing failed."""
        verdicts = targets.judge(Recorded(self._documents), whole=self._together)
        if verdicts and not self._as_json:
            click.echo(targets.shown(verdicts) + "\n")
        click.echo(
            "Measured on " + ", ".join(f"{key} {value}" for key, value in self._about.items()), err=self._as_json
        )
        click.echo(f"JSON and plots are in {self._folder}", err=True)
        for failure in self._failures:
            click.echo(f"FAILED: {failure}", err=True)
        if not check:
            return not self._failures
        for fault in self._faults:
            click.echo(f"NOT SANE: {fault}", err=True)
        click.echo(f"{self._checked} figures checked, {len(self._faults)} not sane", err=True)
        return not self._faults and not self._failures
