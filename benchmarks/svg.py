"""How is a small chart drawn? As SVG without a library: bars with their spread, and lines; for light and dark."""

from __future__ import annotations

import math
import textwrap
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
    ".ground{fill:#fff}.text{fill:#222}.faint{fill:#666}.axis{stroke:#bbb}.whisker{stroke:#222}.cut{stroke:#fff;stroke-width:3}"
    ".c0{--c:#0b6e4f}.c1{--c:#d17a00}.c2{--c:#3d6fb6}.c3{--c:#8a4fa3}.c4{--c:#b03a48}.c5{--c:#777}.c6{--c:#9fb3ad}"
    ".bar{fill:var(--c)}.line{stroke:var(--c);fill:none;stroke-width:2}"
    "@media(prefers-color-scheme:dark){.ground{fill:#16181b}.text{fill:#eee}.faint{fill:#aaa}.axis{stroke:#555}"
    ".whisker{stroke:#eee}.cut{stroke:#16181b}.c0{--c:#35c491}.c1{--c:#f0a63c}.c2{--c:#7aa8ec}.c3{--c:#c18be0}.c4{--c:#ee7a86}.c5{--c:#aaa}.c6{--c:#5f7a72}}"
)
COLOURS = 6
LONGEST, LINE = 70, 20
"""Letters of a line of the title, and its height."""
FEW = 8
"""Points that are marked on their line; of more, the line is all there is to see."""
KNOWN = ("emailproxy", "stunnel", "nginx", "haproxy", "dovecot", "classic")
"""Who has the same colour in every picture; the others have that of their place."""
FAR = 6.0
"""A bar of so many times the next shorter one is cut, with a mark: else nobody could tell the others apart."""
SPAN = 20.0
"""Values that are farther apart than this are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Bar:
    """One bar: a median, and how far off a value usually is."""

    name: str
    value: float
    spread: float | None = None


def _colour(name: str, index: int, *, alone: bool = True) -> str:
    """A known row's own; that of its place for one of several that are unknown and `alone`; else a plain one."""
    if name in KNOWN:
        return f"c{KNOWN.index(name)}"
    return f"c{index % COLOURS}" if alone else "c6"


def _sheet(title: str, height: float, body: Sequence[str]) -> str:
    words = textwrap.wrap(title, LONGEST)
    lower = LINE * (len(words) - 1)
    height += lower
    heads = "\n".join(
        f'<text class="text" x="20" y="{28 + LINE * index}" font-size="16" font-weight="600">{escape(line)}</text>'
        for index, line in enumerate(words)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title, quote=True)}" {FONT}>\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<rect class="ground" width="{WIDTH}" height="{height:.0f}" rx="8"/>\n'
        f'{heads}\n<g transform="translate(0 {lower})">\n' + "\n".join(body) + "\n</g>\n</svg>\n"
    )


def bars(title: str, panels: Mapping[str, Sequence[Bar]], foot: Sequence[str] = ()) -> str:
    """A panel for each figure, a bar for each row; each panel has a scale of its own, which begins at zero."""
    body: list[str] = []
    left, right, step = 130, WIDTH - 130, 24
    top = 48.0
    for figure, row in panels.items():
        body.append(f'<text class="faint" x="20" y="{top + 14:.0f}">{escape(figure)}</text>')
        top += 24
        most = _most([bar.value for bar in row])
        within = [bar.value + (bar.spread or 0) for bar in row if bar.value <= most]
        largest = max(within, default=0) or 1
        alone = all(bar.name not in KNOWN for bar in row)
        # The cut bars end to the right of all others.
        unit = (right - left) / (largest * (1.15 if len(within) < len(row) else 1))
        for index, bar in enumerate(row):
            colour = _colour(bar.name, index, alone=alone)
            body += _bar(bar, colour, left, top, step, unit if bar.value <= most else None, right)
            top += step
        top += 12
    for line in foot:
        body.append(f'<text class="faint" x="20" y="{top + 6:.0f}" font-size="11">{escape(line)}</text>')
        top += 16
    return _sheet(title, top + 8, body)


def _most(values: Sequence[float]) -> float:
    """The longest bar that is not cut: what comes before a leap in the longer half."""
    ordered = sorted(values)
    for index in range(len(ordered) // 2, len(ordered)):
        if index and ordered[index] > FAR * ordered[index - 1] > 0:
            return ordered[index - 1]
    return ordered[-1] if ordered else 0.0


def _bar(bar: Bar, colour: str, left: float, top: float, step: float, unit: float | None, right: float) -> list[str]:
    """One bar with name and value; without a unit it is cut at the right end."""
    width = right - left if unit is None else max(0.0, bar.value) * unit
    middle, height = top + step / 2 - 3, step - 6
    length = max(width, 1)
    body = [
        f'<text class="text" x="{left - 10}" y="{middle + 4.5:.1f}" text-anchor="end">{escape(bar.name)}</text>',
        f'<rect class="bar {colour}" x="{left}" y="{top:.1f}" width="{length:.1f}" height="{height}" rx="2"/>',
    ]
    end = left + width
    if unit is None:
        body.append(f'<path class="cut" d="M{end - 24:.1f} {top + height + 2:.1f}l8 -{height + 4}"/>')
    elif bar.spread:
        low, high = (left + max(0.0, bar.value + sign * bar.spread) * unit for sign in (-1, 1))
        ticks = "".join(f"M{across:.1f} {middle - 4:.1f}v8" for across in (low, high))
        body.append(f'<path class="whisker" d="M{low:.1f} {middle:.1f}H{high:.1f}{ticks}"/>')
        end = max(end, high)
    body.append(f'<text class="text" x="{end + 8:.1f}" y="{middle + 4.5:.1f}">{number(bar.value)}</text>')
    return body


def lines(
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x: str,
    y: str,
    log_x: bool = False,
    ticks: Sequence[float] = (),
) -> str:
    """A line for each row. The horizontal axis may be logarithmic; the vertical one begins at zero, or must be so.

    Below the horizontal axis stand the `ticks`, or else some of the points' values.
    """
    left, right, top, bottom = 70.0, WIDTH - 150.0, 66.0, 336.0
    points = [point for line in series.values() for point in line]
    if not points:
        return _sheet(title, 80, [])
    xs = [_scale(point[0], log=log_x) for point in points]
    low, high = min(xs), max(xs)
    width = (high - low) or 1
    positive = [point[1] for point in points if point[1] > 0]
    log_y = bool(positive) and max(positive) > SPAN * min(positive)
    levels = _decades(min(positive), max(positive)) if log_y else _steps(max(point[1] for point in points))
    floor, ceiling = (_scale(level, log=log_y) for level in (levels[0], levels[-1]))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (_scale(point[0], log=log_x) - low) / width
        up = (_scale(max(point[1], levels[0]), log=log_y) - floor) / (ceiling - floor)
        return left + across * (right - left), bottom - up * (bottom - top)

    body = []
    for value in levels:
        level = place((points[0][0], value))[1]
        body.append(f'<path class="axis" d="M{left} {level:.1f}H{right}"/>')
        body.append(f'<text class="faint" x="{left - 8}" y="{level + 4:.1f}" text-anchor="end">{value:,g}</text>')
    for tick in ticks or _ticks(sorted({point[0] for point in points})):
        across = place((tick, 0))[0]
        body.append(f'<text class="faint" x="{across:.1f}" y="{bottom + 20}" text-anchor="middle">{tick:,.0f}</text>')
    body.append(
        f'<text class="faint" x="{(left + right) / 2:.0f}" y="{bottom + 42}" text-anchor="middle">{escape(x)}</text>'
    )
    unit = f"{y} (logarithmic)" if log_y else y
    body.append(f'<text class="faint" x="20" y="{top - 16}">{escape(unit)}</text>')
    for index, (name, line) in enumerate(series.items()):
        path = "L".join(f"{across:.1f} {level:.1f}" for across, level in map(place, line))
        colour = _colour(name, index)
        body.append(f'<path class="line {colour}" d="M{path}"/>')
        body += [
            f'<circle class="bar {colour}" cx="{across:.1f}" cy="{level:.1f}" r="3"/>'
            for across, level in map(place, line if len(line) <= FEW else ())
        ]
        # A legend instead of labels at the ends, which would lie over each other where rows are alike.
        height = top + 10 + 22 * index
        body.append(f'<rect class="bar {colour}" x="{right + 20}" y="{height - 9:.0f}" width="14" height="10" rx="2"/>')
        body.append(f'<text class="text" x="{right + 40}" y="{height:.0f}">{escape(name)}</text>')
    return _sheet(title, bottom + 60, body)


def _scale(value: float, *, log: bool) -> float:
    return math.log10(max(value, 1e-9)) if log else value


def _steps(largest: float) -> list[float]:
    """From zero in round steps, at most five of them, to where an axis ends."""
    if largest <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(largest / 5))
    step = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power * 5 >= largest * 0.999999)
    return [round(step * part, 12) for part in range(math.ceil(largest / step - 1e-6) + 1)]


def _decades(smallest: float, largest: float) -> list[float]:
    """Powers of ten around these values; the first and the last are the ends of an axis."""
    low, high = math.floor(math.log10(smallest)), math.ceil(math.log10(largest))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def _ticks(values: Sequence[float]) -> list[float]:
    """At most six of the values, the first and the last among them."""
    if len(values) <= 6:
        return list(values)
    return [values[round(part * (len(values) - 1) / 5)] for part in range(6)]
