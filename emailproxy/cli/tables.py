"""How are rows and times shown in a terminal? Aligned columns, times in UTC."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from emailproxy.oauth.foreign import foreign

__all__ = ["moment", "octets", "pairs", "table"]

NOTHING = "-"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; what came from outside is made fit for a terminal, the last column is not padded."""
    lines = [list(head), *([foreign(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        yield "  ".join(_padded(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip()


def pairs(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The lines of names and values, the values below each other."""
    known = list(rows)
    width = max((_width(name) for name, _ in known), default=0)
    for name, value in known:
        yield f"{_padded(name, width)}  {foreign(value)}"


def moment(seconds: int | str | None) -> str:
    """A Unix time as ``2026-11-22 16:40 UTC``."""
    if not isinstance(seconds, int):
        return NOTHING
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return "no time"  # a file edited by hand


def octets(number: int | str | None) -> str:
    """A size, or a dash."""
    return NOTHING if number is None else f"{number:,} octets"


def _width(text: str) -> int:
    """Columns of a terminal: East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
