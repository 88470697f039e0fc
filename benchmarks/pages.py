"""What of a run goes into the documentation? The README's plot and three figures, and docs/benchmarks.md's tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import targets
from benchmarks.recorded import Figure, Recorded
from benchmarks.report import number
from benchmarks.svg import Bar, bars

__all__ = ["BEGIN", "END", "figures", "inserted", "plot", "tables"]

BEGIN = "<!-- figures of a run: begin, written by python -m benchmarks docs -->"
END = "<!-- figures of a run: end -->"
OURS = "emailproxy"
CAVEAT = (
    "stunnel and nginx only carry TLS and log nobody in; Dovecot logs in with a token that somebody else keeps fresh."
)
SHOWN = (OURS, "stunnel", "nginx", "dovecot", "classic")


@dataclass(frozen=True)
class Shown:
    """One of the README's figures."""

    name: str
    mode: str
    table: str
    figure: str


def _shown(run: Recorded) -> list[Shown]:
    """The three figures, and one more way: idle sessions at the largest size that there is."""
    shown = [
        Shown(f"CPU seconds per GiB, {way}", "relay", targets.RELAY, f"{way}: CPU s/GiB") for way in ("down", "up")
    ]
    shown.append(Shown("CPU milliseconds per repeated IMAP login", "logins", targets.LOGINS, "in turn: CPU ms"))
    sizes = sorted(run.titles("idle", "^Idle: "), key=lambda title: int(re.findall(r"\d+", title)[0]))
    if sizes:
        count = int(re.findall(r"\d+", sizes[-1])[0])
        shown.append(Shown(f"KiB per idle session, of {count:,}", "idle", f"^{re.escape(sizes[-1])}$", "KiB/session"))
    return shown


def _values(run: Recorded, shown: Shown) -> dict[str, Figure]:
    """By row, those that have one; of an idle session of a row that holds fewer, what it takes at its largest size."""
    found = {row: run.figure(shown.mode, shown.table, row, shown.figure) for row in SHOWN}
    return {row: value for row, value in found.items() if value is not None}


def plot(run: Recorded) -> str:
    """One picture: ours beside the others, of each of the README's figures."""
    panels = {
        shown.name: [Bar(row, value.median, value.spread) for row, value in values.items()]
        for shown in _shown(run)
        if (values := _values(run, shown))
    }
    return bars(
        "What it costs, beside others",
        panels,
        foot=[CAVEAT, f"Less is better. {_date(run)}, {_machine(run)}."],
    )


def figures(run: Recorded, picture: Path) -> str:
    """The README's table, in Markdown, with the date, the machine and the commands that reproduce it."""
    heads = ["", *(row if row != OURS else f"**{row}**" for row in SHOWN), "command"]
    lines = [heads, ["---"] * len(heads)]
    for shown in _shown(run):
        values = _values(run, shown)
        if not values:
            continue
        cells = [_cell(row, values.get(row)) for row in SHOWN]
        lines.append([shown.name, *cells, f"`{run.documents[shown.mode].get('command', '')}`"])
    return "\n".join(
        [
            f"![CPU per GiB, CPU per login and memory per idle session, beside others]({picture})",
            "",
            f"Measured on {_date(run)}, {_machine(run)}; medians, in brackets ours divided by the other's.",
            "",
            *("| " + " | ".join(line) + " |" for line in lines),
        ]
    )


def _cell(row: str, value: Figure | None) -> str:
    if value is None:
        return "–"
    text = f"**{number(value.median)}**" if row == OURS else number(value.median)
    return text if value.ratio is None else f"{text} ({_times(value.ratio)})"


def _times(ratio: float) -> str:
    """A ratio that stays readable when it is small."""
    return f"{ratio:.2f}x" if ratio >= 0.1 else f"1/{1 / ratio:.0f}" if ratio > 0 else "0x"


def tables(run: Recorded) -> str:
    """The targets and every table of a run, in Markdown."""
    text = [
        f"{_date(run)}, {_machine(run)}. Medians ± half of the range of the middle half of the rounds.",
        "",
        "### Targets",
        "",
    ]
    lines = [["", "target", "measured (ours beside the other's)", ""], ["---"] * 4]
    for verdict in targets.judge(run):
        cells = verdict.cells()
        lines.append([cells[0] + (", further goal" if verdict.further else ""), *cells[1:]])
    text += ["| " + " | ".join(line) + " |" for line in lines]
    for mode, document in run.documents.items():
        text += ["", f"### {mode.capitalize()}", "", f"`{document.get('command', 'python -m benchmarks ' + mode)}`"]
        for table in document["tables"]:
            if table["rows"]:
                text += ["", f"**{table['title']}**", "", *_table(table["rows"])]
        if document["bench"]:
            text += ["", "How busy the bench was:", "", *(f"- {line}" for line in document["bench"])]
    return "\n".join(text)


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row["figures"]))
    lines = [["", *(row["name"] for row in rows)], ["---"] * (len(rows) + 1)]
    lines += [[name, *(_of(row["figures"].get(name)) for row in rows)] for name in names]
    notes = dict.fromkeys(f"{row['name']}: {name}: {note}" for row in rows for name, note in row["notes"].items())
    shown = ["| " + " | ".join(line) + " |" for line in lines]
    return [*shown, *([""] if notes else []), *(f"- {note}" for note in notes)]


def _of(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["median"] is None:
        return "–"
    text = number(figure["median"])
    if figure["spread"] is not None:
        text += f" ± {number(figure['spread'])}"
    return text if figure["ratio"] is None else f"{text} ({_times(figure['ratio'])})"


def inserted(page: str, text: str) -> str:
    """The page with this text between its marks.

    Raises:
        ValueError: it has none.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no place for the figures: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _date(run: Recorded) -> str:
    newest = max((str(one["time"]) for one in run.documents.values()), default="")
    if not newest:
        return "no date"
    day = datetime.fromisoformat(newest)
    return f"{day.day} {day:%B %Y}"


def _machine(run: Recorded) -> str:
    about: Mapping[str, object] = next((one["machine"] for one in run.documents.values()), {})
    openssl = " ".join(str(about.get("with", "")).split()[:2])
    return f"{about.get('cores')} cores of {about.get('CPU')}, Python {about.get('Python')}, {openssl}"
