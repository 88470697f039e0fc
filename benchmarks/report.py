"""How are the figures shown? A table for people, JSON for machines, with what they were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import PERCENTS, Result, percentile

__all__ = ["columns", "command", "document", "machine", "number", "table"]

PRIVATE = frozenset({"--output", "--python", "--provider-file"})
"""Options whose values are paths."""


def table(title: str, results: Sequence[Result], *, ratios: bool = True) -> str:
    """A line for each figure: medians with their spread, and in brackets how much the first row needs beside each."""
    figures = list(dict.fromkeys(figure for result in results for figure in result.figures))
    lines = [["", *(result.row.name for result in results)]]
    lines += [[figure, *(_cell(result, figure, ratios=ratios) for result in results)] for figure in figures]
    text = [title, "", columns(lines)]
    if ratios and any(result.ratios for result in results):
        first = results[0].row.name
        text.append(f"(0.50x: the figure of {first} is half of this row's, in the median of the pairs)")
    notes = dict.fromkeys(
        f"{result.row.name}: {figure}: {note}" for result in results for figure, note in result.notes.items()
    )
    return "\n".join([*text, *notes]) + "\n"


def columns(lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Cells below each other, the first line being the heads; the first `left` columns begin where their heads do."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = []
    for index, line in enumerate(lines):
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
        if not index:
            text.append("  ".join("-" * width for width in widths))
    return "\n".join(text)


def _cell(result: Result, figure: str, *, ratios: bool) -> str:
    value, spread, ratio = result.median(figure), result.spread(figure), result.ratio(figure)
    if value is None:
        return "-"
    text = number(value)
    if spread is not None:
        text += f" ±{number(spread)}"
    if ratios and ratio is not None:
        text += f" ({ratio:.2f}x)"
    return text


def number(value: float) -> str:
    """Three digits are all that a measurement is good for."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def document(
    mode: str, tables: Mapping[str, Sequence[Result]], about: Mapping[str, object], witness: Sequence[str] = ()
) -> dict[str, Any]:
    """Everything that was measured, each round; a curve as its percentiles."""
    return {
        "benchmark": mode,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": about,
        "command": command(),
        "bench": list(witness),
        "tables": [{"title": title, "rows": [_row(result) for result in results]} for title, results in tables.items()],
    }


def command(words: Sequence[str] | None = None) -> str:
    """What was typed, without the paths that belong to this machine alone."""
    given = list(sys.argv[1:] if words is None else words)
    kept, skip = [], False
    for word in given:
        name = word.partition("=")[0]
        if skip or name in PRIVATE:
            skip = not skip and "=" not in word
            continue
        kept.append(word)
    return " ".join(["python -m benchmarks", *kept])


def _row(result: Result) -> dict[str, object]:
    return {
        "name": result.row.name,
        "figures": {
            name: {
                "median": result.median(name),
                "spread": result.spread(name),
                "rounds": values,
                "ratio": result.ratio(name),
                "ratios": result.ratios.get(name, []),
            }
            for name, values in result.figures.items()
        },
        "curves": {
            name: {str(percent): percentile(values, percent) for percent in PERCENTS}
            for name, values in result.curves.items()
            if values and name not in result.series
        },
        "series": {name: result.curves[name] for name in result.series if name in result.curves},
        "notes": result.notes,
        "failed": result.failed,
    }


def machine(python: str) -> dict[str, str | int | None]:
    """What the figures depend on; `python` is the interpreter that our proxy runs with."""
    model = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    ask = "import ssl, sys; print(sys.version.split()[0]); print(ssl.OPENSSL_VERSION)"
    version, openssl = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )[:2]
    return {
        "CPU": model[0] if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "Python": version,
        "with": openssl,
    }
