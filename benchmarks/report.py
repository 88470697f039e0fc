"""How are the figures shown? A table for people, JSON for machines, with what they were measured on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.workloads import Result


def table(title: str, results: Sequence[Result], *, ratios: bool = True) -> str:
    """Medians of all rows; behind each the ratio to stunnel, or else to the first row that is not ours."""
    reference = _reference(results) if ratios else None
    figures = list(dict.fromkeys(figure for result in results for figure in result.figures))
    lines = [["", *figures]]
    for result in results:
        cells = [result.row.name]
        for figure in figures:
            value, base = result.median(figure), None if reference is None else reference.median(figure)
            cell = "-" if value is None else _number(value)
            if value is not None and base and result is not reference:
                cell += f" ({value / base:.2f}x)"
            cells.append(cell)
        lines.append(cells)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [title]
    for index, line in enumerate(lines):
        cells = [
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
        if not index:
            text.append("  ".join("-" * width for width in widths))
    if reference is not None:
        text.append(f"(x: times {reference.row.name}; medians of {_rounds(results)} interleaved rounds)")
    return "\n".join(text) + "\n"


def _reference(results: Sequence[Result]) -> Result | None:
    others = [result for result in results if result.row.name != "emailproxy"]
    return next((result for result in others if result.row.name == "stunnel"), others[0] if others else None)


def _rounds(results: Sequence[Result]) -> int:
    return max((len(values) for result in results for values in result.figures.values()), default=0)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def as_json(benchmark: str, results: Sequence[Result], python: str) -> str:
    """Everything that was measured, each round."""
    return json.dumps(
        {
            "benchmark": benchmark,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(python),
            "rows": [
                {
                    "name": result.row.name,
                    "figures": {
                        name: {"median": result.median(name), "rounds": values}
                        for name, values in result.figures.items()
                    },
                }
                for result in results
            ],
        },
        indent=2,
    )


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
        "Python": version,
        "with": openssl,
    }
