"""What did a run measure? Its JSON, as it was written or read back, asked for one figure of one row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Figure", "Recorded"]

Document = Mapping[str, Any]
"""What `benchmarks.report.document` makes of one mode."""


@dataclass(frozen=True)
class Figure:
    """One figure of one row."""

    median: float
    spread: float | None = None
    ratio: float | None = None
    """The first row's figure divided by this one, in the median of the pairs."""
    ratios: tuple[float, ...] = ()


@dataclass(frozen=True)
class Recorded:
    """The modes of one run, or of several: where two measured the same mode, the later one counts."""

    documents: Mapping[str, Document]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Recorded:
        """Read files that a run has written, of one mode or of all; of a folder, each mode's.

        Raises:
            ValueError: a file is none of ours.
            OSError: it cannot be read.
        """
        files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
        found: list[Document] = []
        for file in files:
            try:
                content = json.loads(file.read_text())
                found += content["modes"] if content["benchmark"] == "all" else [content]
            except (KeyError, TypeError, ValueError):
                raise ValueError(f"{file} is not the JSON of a benchmark") from None
        return cls(
            {one["benchmark"]: one for one in sorted(found, key=lambda one: str(one["time"])) if "tables" in one}
        )

    def together(self) -> str:
        """All of it as one document."""
        newest = max((str(one["time"]) for one in self.documents.values()), default="")
        modes = list(self.documents.values())
        return json.dumps({"benchmark": "all", "time": newest, "modes": modes}, indent=2) + "\n"

    def titles(self, mode: str, pattern: str) -> Iterator[str]:
        """The titles of a mode's tables that match, in their order."""
        for table in self.documents.get(mode, {}).get("tables", ()):
            if re.search(pattern, table["title"]):
                yield table["title"]

    def rows(self, mode: str, pattern: str) -> list[str]:
        """Who is in the first table that matches."""
        return [row["name"] for row in self._table(mode, pattern)]

    def figure(self, mode: str, pattern: str, row: str, name: str) -> Figure | None:
        """One figure of a row, in the first table whose title matches; None: it was not measured."""
        for found in self._table(mode, pattern):
            if found["name"] == row:
                values = found["figures"].get(name)
                if values is None or values["median"] is None:
                    return None
                return Figure(values["median"], values["spread"], values["ratio"], tuple(values["ratios"]))
        return None

    def _table(self, mode: str, pattern: str) -> Sequence[Any]:
        for table in self.documents.get(mode, {}).get("tables", ()):
            if re.search(pattern, table["title"]):
                rows: Sequence[Any] = table["rows"]
                return rows
        return ()
