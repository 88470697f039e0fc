"""What does a deployment look like? Pictures (SVG) drawn from text, readable on a light and on a dark page.

A picture is a file ``docs/deploy/NAME.picture``; each line is one of

    box NAME COLUMN,ROW Title | line | line
    group COLUMN,ROW COLUMN,ROW Words        (a frame around these cells)
    arrow NAME NAME Words

``python -m tests.terraform.pictures`` draws them all, ``--check`` says which are old.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

__all__ = ["FOLDER", "Picture", "drawn"]

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "deploy"

# Pixels. A box holds some forty characters a line; between boxes there is room for an arrow's words.
WIDTH, HEIGHT = 250, 84
GAP_X, GAP_Y = 190, 56
MARGIN: Final = 34

STYLE: Final = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px }
  .words { font-size: 12px; paint-order: stroke; stroke: #fff; stroke-width: 5px; stroke-linejoin: round }
  .frame { fill: none; stroke: #8c959f; stroke-dasharray: 5 4 }
  .box { fill: #f6f8fa; stroke: #57606a }
  .arrow { fill: none; stroke: #0969da; stroke-width: 1.6 }
  .head { fill: #0969da }
  .page { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .words { stroke: #0d1117 }
    .frame { stroke: #6e7681 }
    .box { fill: #161b22; stroke: #8b949e }
    .arrow { stroke: #58a6ff }
    .head { fill: #58a6ff }
    .page { fill: #0d1117 }
  }
"""


@dataclass(slots=True)
class Picture:
    """What stands in one file."""

    boxes: dict[str, tuple[int, int, list[str]]] = field(default_factory=dict)
    groups: list[tuple[int, int, int, int, str]] = field(default_factory=list)
    arrows: list[tuple[str, str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, text: str) -> Picture:
        """Understand `text`.

        Raises:
            ValueError: a line is none of the three, or an arrow leads to no box.
        """
        picture = cls()
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            if found := re.fullmatch(r"box (\w+) (\d+),(\d+) (.+)", line):
                picture.boxes[found[1]] = (int(found[2]), int(found[3]), [part.strip() for part in found[4].split("|")])
            elif found := re.fullmatch(r"group (\d+),(\d+) (\d+),(\d+) (.+)", line):
                picture.groups.append((int(found[1]), int(found[2]), int(found[3]), int(found[4]), found[5]))
            elif found := re.fullmatch(r"arrow (\w+) (\w+) (.+)", line):
                picture.arrows.append((found[1], found[2], found[3]))
            else:
                raise ValueError(f"line {number} is no box, group or arrow: {line}")
        for start, end, _ in picture.arrows:
            for name in (start, end):
                if name not in picture.boxes:
                    raise ValueError(f"there is no box {name}")
        return picture


def drawn(text: str) -> str:
    """The SVG of one picture."""
    picture = Picture.read(text)
    columns = max(column for column, _, _ in picture.boxes.values()) + 1
    rows = max(row for _, row, _ in picture.boxes.values()) + 1
    width = 2 * MARGIN + columns * WIDTH + (columns - 1) * GAP_X
    height = 2 * MARGIN + rows * HEIGHT + (rows - 1) * GAP_Y
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        *(_group(*group) for group in picture.groups),
        *(_arrow(picture, *arrow) for arrow in picture.arrows),
        *(_box(*box) for box in picture.boxes.values()),
        *(_words(picture, *arrow) for arrow in picture.arrows),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _corner(column: int, row: int) -> tuple[int, int]:
    return MARGIN + column * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y)


def _box(column: int, row: int, lines: list[str]) -> str:
    x, y = _corner(column, row)
    parts = [f'<rect class="box" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>']
    top = y + HEIGHT / 2 - 9 * (len(lines) - 1) + 5
    for number, line in enumerate(lines):
        kind = ' class="title"' if number == 0 else ""
        middle = x + WIDTH // 2
        parts.append(f'<text{kind} x="{middle}" y="{top + 18 * number:g}" text-anchor="middle">{escape(line)}</text>')
    return "\n".join(parts)


def _group(left: int, top: int, right: int, bottom: int, words: str) -> str:
    x, y = _corner(left, top)
    far_x, far_y = _corner(right, bottom)
    around = 20
    width, height = far_x + WIDTH - x + 2 * around, far_y + HEIGHT - y + 2 * around
    return (
        f'<rect class="frame" x="{x - around}" y="{y - around}" width="{width}" height="{height}" rx="12"/>\n'
        f'<text class="words" x="{x - around + 12}" y="{y - around + 4}">{escape(words)}</text>'
    )


def _ends(picture: Picture, start: str, end: str) -> tuple[float, float, float, float]:
    """Where an arrow begins and ends: at the sides that face each other."""
    x1, y1 = _corner(*picture.boxes[start][:2])
    x2, y2 = _corner(*picture.boxes[end][:2])
    if x1 == x2:
        below = y2 > y1
        return x1 + WIDTH / 2, y1 + (HEIGHT if below else 0), x2 + WIDTH / 2, y2 + (0 if below else HEIGHT)
    right = x2 > x1
    return x1 + (WIDTH if right else 0), y1 + HEIGHT / 2, x2 + (0 if right else WIDTH), y2 + HEIGHT / 2


def _arrow(picture: Picture, start: str, end: str, _words: str) -> str:
    x1, y1, x2, y2 = _ends(picture, start, end)
    if x1 == x2:
        way = 1 if y2 > y1 else -1
        head = f"{x2 - 5:g},{y2 - 9 * way:g} {x2 + 5:g},{y2 - 9 * way:g} {x2:g},{y2:g}"
        return f'<path class="arrow" d="M{x1:g} {y1:g} V{y2 - 8 * way:g}"/><polygon class="head" points="{head}"/>'
    way = 1 if x2 > x1 else -1
    middle = (x1 + x2) / 2
    head = f"{x2 - 9 * way:g},{y2 - 5:g} {x2 - 9 * way:g},{y2 + 5:g} {x2:g},{y2:g}"
    curve = f"M{x1:g} {y1:g} C{middle:g} {y1:g} {middle:g} {y2:g} {x2 - 8 * way:g} {y2:g}"
    return f'<path class="arrow" d="{curve}"/><polygon class="head" points="{head}"/>'


def _words(picture: Picture, start: str, end: str, words: str) -> str:
    """An arrow's words, in lines that fit between the boxes."""
    x1, y1, x2, y2 = _ends(picture, start, end)
    lines = words.split("|")
    x = x1 + 10 if x1 == x2 else (x1 + x2) / 2
    # Above a level arrow, across any other.
    y = y1 - 8 - 15 * (len(lines) - 1) if y1 == y2 else (y1 + y2) / 2 - 15 * (len(lines) - 1) / 2 + 4
    anchor = "start" if x1 == x2 else "middle"
    return "\n".join(
        f'<text class="words" x="{x:g}" y="{y + 15 * number:g}" text-anchor="{anchor}">{escape(line.strip())}</text>'
        for number, line in enumerate(lines)
    )


def main() -> int:
    """Draw or check all; exit status 1 if one is old."""
    status = 0
    for source in sorted(FOLDER.glob("*.picture")):
        path = source.with_suffix(".svg")
        new = drawn(source.read_text("utf-8"))
        if "--check" not in sys.argv:
            path.write_text(new, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != new:
            sys.stdout.write(f"{path}: old; run python -m tests.terraform.pictures\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
