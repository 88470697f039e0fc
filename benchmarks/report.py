"""How are the figures shown? A table for people, JSON for machines, with what they were measured on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Result

__all__ = ["as_json", "machine", "number", "table"]


def table(title: str, results: Sequence[Result], *, ratios: bool = True) -> str:
    """A line for each figure: medians with their spread, and in brackets how much the first row needs beside each."""
    figures = list(dict.fromkeys(figure for result in results for figure in result.figures))
    lines = [["", *(result.row.name for result in results)]]
    lines += [[figure, *(_cell(result, figure, ratios=ratios) for result in results)] for figure in figures]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [title, ""]
    for index, line in enumerate(lines):
        cells = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
        if not index:
            text.append("  ".join("-" * width for width in widths))
    if ratios and any(result.ratios for result in results):
        first = results[0].row.name
        text.append(f"(0.50x: the figure of {first} is half of this row's, in the median of the pairs)")
    notes = dict.fromkeys(
        f"{result.row.name}: {figure}: {note}" for result in results for figure, note in result.notes.items()
    )
    return "\n".join([*text, *notes]) + "\n"


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


def as_json(
    mode: str, tables: Mapping[str, Sequence[Result]], about: Mapping[str, object], witness: Sequence[str] = ()
) -> str:
    """Everything that was measured, each round; a curve as its percentiles."""
    return json.dumps(
        {
            "benchmark": mode,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": about,
            "bench": list(witness),
            "tables": [
                {"title": title, "rows": [_row(result) for result in results]} for title, results in tables.items()
            ],
        },
        indent=2,
    )


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
        "notes": result.notes,
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
