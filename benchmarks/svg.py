"""How is a small chart drawn? As SVG without a library: bars with their spread, and lines; for light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.report import number

__all__ = ["Bar", "bars", "lines"]

WIDTH = 760
FONT = 'font-family="system-ui, sans-serif" font-size="13"'
# Colours that differ in lightness as well, for those who see them differently; the first is ours. The sheet brings its
# own ground, so that it does not matter what the page around it looks like.
STYLE = (
    ".ground{fill:#fff}.text{fill:#222}.faint{fill:#666}.axis{stroke:#bbb}.whisker{stroke:#222}"
    ".c0{--c:#0b6e4f}.c1{--c:#d17a00}.c2{--c:#3d6fb6}.c3{--c:#8a4fa3}.c4{--c:#b03a48}.c5{--c:#777}"
    ".bar{fill:var(--c)}.line{stroke:var(--c);fill:none;stroke-width:2}"
    "@media(prefers-color-scheme:dark){.ground{fill:#16181b}.text{fill:#eee}.faint{fill:#aaa}.axis{stroke:#555}"
    ".whisker{stroke:#eee}.c0{--c:#35c491}.c1{--c:#f0a63c}.c2{--c:#7aa8ec}.c3{--c:#c18be0}.c4{--c:#ee7a86}.c5{--c:#aaa}}"
)
COLOURS = 6


@dataclass(frozen=True)
class Bar:
    """One bar: a median, and how far off a value usually is."""

    name: str
    value: float
    spread: float | None = None


def _sheet(title: str, height: float, body: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title, quote=True)}" {FONT}>\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<rect class="ground" width="{WIDTH}" height="{height:.0f}" rx="8"/>\n'
        f'<text class="text" x="20" y="28" font-size="16" font-weight="600">{escape(title)}</text>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def bars(title: str, panels: Mapping[str, Sequence[Bar]]) -> str:
    """A panel for each figure, a bar for each row; each panel has a scale of its own, which begins at zero."""
    body: list[str] = []
    left, right, step = 130, WIDTH - 130, 24
    top = 48.0
    for figure, row in panels.items():
        body.append(f'<text class="faint" x="20" y="{top + 14:.0f}">{escape(figure)}</text>')
        top += 24
        largest = max((bar.value + (bar.spread or 0) for bar in row), default=0) or 1
        for index, bar in enumerate(row):
            width = max(0.0, bar.value) / largest * (right - left)
            middle = top + step / 2 - 2
            body.append(
                f'<text class="text" x="{left - 10}" y="{middle + 4:.1f}" text-anchor="end">{escape(bar.name)}</text>'
            )
            body.append(
                f'<rect class="bar c{index % COLOURS}" x="{left}" y="{top:.1f}" width="{max(width, 1):.1f}" '
                f'height="{step - 6}" rx="2"/>'
            )
            end = left + width
            if bar.spread:
                ends = (max(0.0, bar.value + sign * bar.spread) / largest * (right - left) for sign in (-1, 1))
                low, high = (left + across for across in ends)
                ticks = "".join(f"M{across:.1f} {middle - 4:.1f}v8" for across in (low, high))
                body.append(f'<path class="whisker" d="M{low:.1f} {middle:.1f}H{high:.1f}{ticks}"/>')
                end = max(end, high)
            body.append(f'<text class="text" x="{end + 8:.1f}" y="{middle + 4:.1f}">{number(bar.value)}</text>')
            top += step
        top += 12
    return _sheet(title, top + 8, body)


def lines(
    title: str, series: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str, log_x: bool = False
) -> str:
    """A line for each row; the vertical axis begins at zero, the horizontal one may be logarithmic."""
    left, right, top, bottom = 70.0, WIDTH - 150.0, 60.0, 330.0
    points = [point for line in series.values() for point in line]
    if not points:
        return _sheet(title, 80, [])
    xs = [_scale(point[0], log=log_x) for point in points]
    low, high = min(xs), max(xs)
    width = (high - low) or 1
    most = _round_up(max(point[1] for point in points))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (_scale(point[0], log=log_x) - low) / width
        return left + across * (right - left), bottom - point[1] / most * (bottom - top)

    body = []
    for part in range(5):
        value = most * part / 4
        level = place((points[0][0], value))[1]
        body.append(f'<path class="axis" d="M{left} {level:.1f}H{right}"/>')
        body.append(f'<text class="faint" x="{left - 8}" y="{level + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for tick in _ticks(sorted({point[0] for point in points})):
        across = place((tick, 0))[0]
        body.append(
            f'<text class="faint" x="{across:.1f}" y="{bottom + 20}" text-anchor="middle">{number(tick)}</text>'
        )
    body.append(
        f'<text class="faint" x="{(left + right) / 2:.0f}" y="{bottom + 42}" text-anchor="middle">{escape(x)}</text>'
    )
    body.append(f'<text class="faint" x="20" y="{top - 12}">{escape(y)}</text>')
    for index, (name, line) in enumerate(series.items()):
        path = "L".join(f"{across:.1f} {level:.1f}" for across, level in map(place, line))
        body.append(f'<path class="line c{index % COLOURS}" d="M{path}"/>')
        # A legend instead of labels at the ends, which would lie over each other where rows are alike.
        height = top + 10 + 22 * index
        colour = f"bar c{index % COLOURS}"
        body.append(f'<rect class="{colour}" x="{right + 20}" y="{height - 9:.0f}" width="14" height="10" rx="2"/>')
        body.append(f'<text class="text" x="{right + 40}" y="{height:.0f}">{escape(name)}</text>')
    return _sheet(title, bottom + 60, body)


def _scale(value: float, *, log: bool) -> float:
    return math.log10(max(value, 1e-9)) if log else value


def _round_up(value: float) -> float:
    """The next number of one and a half digits: where an axis ends."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * 0.999999)


def _ticks(values: Sequence[float]) -> list[float]:
    """At most six of the values, the first and the last among them."""
    if len(values) <= 6:
        return list(values)
    return [values[round(part * (len(values) - 1) / 5)] for part in range(6)]
