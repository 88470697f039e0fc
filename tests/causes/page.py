"""How do the rows look in docs/troubleshooting.md? ``python -m tests.causes.page`` writes them there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emailproxy.causes.base import Cause
from emailproxy.causes.lookup import groups

__all__ = ["PAGE", "rendered"]

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
BEGIN, END = "<!-- rows: begin -->\n", "<!-- rows: end -->\n"


def rendered() -> str:
    """The page with the rows as the code has them now."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{''.join(_tables())}{END}{tail}"


def _tables() -> Iterator[str]:
    for title, causes in groups().items():
        yield f"### {title}\n\n| What is said | What to do | Source |\n| --- | --- | --- |\n"
        for cause in causes:
            yield f"| {_said(cause)} | {_cell(cause.advice)} | {_cell(cause.source)} |\n"
        yield "\n"


def _said(cause: Cause) -> str:
    return f"`{cause.said or cause.name}`<br>({cause.name})" if cause.said else f"`{cause.name}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(rendered(), encoding="utf-8")
