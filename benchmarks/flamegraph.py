"""How is a flame graph drawn? From stacks (``a;b;c 12``): who calls is at the top, and who is called below."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from benchmarks.svg import FONT

__all__ = ["collapsed", "drawn"]

WIDTH, LEFT, TOP, ROW = 1200, 10, 62, 18
LEAST = 1.5
"""Pixels: a frame narrower than this is not drawn, nor is what it calls."""
LETTER = 6.4
"""Pixels of a letter of the labels, on average and a little more."""
KINDS = {
    "emailproxy": re.compile(r"\(emailproxy(_backends)?/"),
    "trio": re.compile(r"\((trio|outcome)/"),
    "OpenSSL and Python's ssl": re.compile(r"lib(ssl|crypto)|_ssl|\(ssl\.py"),
    "C library and kernel": re.compile(r"\(libc|\(ld-|\[vdso\]"),
    "Python and the rest": re.compile(""),
}
STYLE = (
    ".ground{fill:#fff}.text{fill:#222}.faint{fill:#666}.f0{fill:#7fd1b0}.f1{fill:#f3c583}.f2{fill:#a9c4ea}.f3{fill:#ccc}"
    ".f4{fill:#d9c2e4}.label{fill:#111;font-size:11px;pointer-events:none}"
    "@media(prefers-color-scheme:dark){.ground{fill:#16181b}.text{fill:#eee}.faint{fill:#aaa}"
    ".f0{fill:#2f9c76}.f1{fill:#b57a24}.f2{fill:#4f7dbf}.f3{fill:#777}.f4{fill:#8d5fa6}.label{fill:#fff}}"
)
BOOT = re.compile(r"\(<frozen (runpy|importlib)|\(importlib/|^unrolled_run \(|^0x[0-9a-f]+ \((python|ld-|libc)")
"""What is on every stack, or between every two modules that import each other: it says nothing."""
UNDER_TRIO = re.compile(r"^unrolled_run \(")
WAITING = re.compile(r"^_?(WorkerThread\._work|epoll_wait|EpollIOManager\.get_events)\b")
NAMELESS = re.compile(r"^0x[0-9a-f]+ (\(.*\))$")
LINE = re.compile(r":\d+\)$")
NATIVE = re.compile(r"\((lib|_|python\d|ld-|\[)[^/)]*\)$|\.so\b")


@dataclass
class Frame:
    """One function below those that called it."""

    name: str
    count: int = 0
    calls: dict[str, Frame] = field(default_factory=dict)

    def add(self, stack: Sequence[str], count: int) -> None:
        """Count one stack from here on."""
        self.count += count
        frame = self
        for name in stack:
            frame = frame.calls.setdefault(name, Frame(name))
            frame.count += count


def collapsed(text: str) -> Iterator[tuple[list[str], int]]:
    """Each stack of the profiler's that says something, and how often it was seen.

    Left out are threads that wait, and frames of the interpreter's start. A function of a C library that has no name is
    named after the library, and several of them in a row are one.
    """
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        if not frames or not count.isdigit():
            continue
        stack = frames.split(";")
        own = [name for name in stack if not NATIVE.search(name)]
        if WAITING.search(stack[-1]) or (own and WAITING.search(own[-1])):
            continue
        loop = max((index for index, name in enumerate(stack) if UNDER_TRIO.search(name)), default=-1)
        named: list[str] = []
        for name in stack[loop + 1 :]:
            shown = NAMELESS.sub(r"\1", LINE.sub(")", name))
            if not BOOT.search(name) and (not named or named[-1] != shown):
                named.append(shown)
        if named:
            yield named, int(count)


def drawn(title: str, text: str) -> str:
    """The picture, for light and dark pages; what does not fit its box is shown when one points at it."""
    root = Frame("everything")
    for stack, count in collapsed(text):
        root.add(stack, count)
    boxes: list[str] = []
    deepest = _boxes(root, LEFT, WIDTH - 2 * LEFT, 0, max(root.count, 1), boxes)
    legend = []
    at = LEFT
    for index, kind in enumerate(KINDS):
        legend.append(f'<rect class="f{index}" x="{at}" y="40" width="12" height="12" rx="2"/>')
        legend.append(f'<text class="faint" x="{at + 17}" y="50" font-size="12">{escape(kind)}</text>')
        at += 40 + 7 * len(kind)
    height = TOP + (deepest + 1) * ROW + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}" {FONT}>\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>\n'
        f'<text class="text" x="{LEFT}" y="26" font-size="16" font-weight="600">{escape(title)}</text>\n'
        f'<text class="faint" x="{WIDTH - LEFT}" y="26" text-anchor="end" font-size="12">{root.count} samples of what '
        "worked; a box is as wide as its share</text>\n" + "\n".join([*legend, *boxes]) + "\n</svg>\n"
    )


def _boxes(frame: Frame, left: float, width: float, level: int, total: int, boxes: list[str]) -> int:
    """Draw a frame and what it calls; how deep that went."""
    top = TOP + level * ROW
    share = frame.count / total
    kind = next(index for index, pattern in enumerate(KINDS.values()) if pattern.search(frame.name))
    boxes.append(
        f'<g><title>{escape(frame.name)}: {share:.1%}</title><rect class="f{kind}" x="{left:.1f}" y="{top}" '
        f'width="{max(width - 0.5, 0.5):.1f}" height="{ROW - 1}" rx="1"/>{_label(frame.name, left, width, top)}</g>'
    )
    deepest, at = level, left
    for called in sorted(frame.calls.values(), key=lambda one: one.name):
        part = width * called.count / frame.count
        if part >= LEAST:
            deepest = max(deepest, _boxes(called, at, part, level + 1, total, boxes))
        at += part
    return deepest


def _label(name: str, left: float, width: float, top: float) -> str:
    room = int((width - 6) / LETTER)
    if room < 3:
        return ""
    shown = name if len(name) <= room else name[: room - 1] + "…"
    return f'<text class="label" x="{left + 3:.1f}" y="{top + 13}">{escape(shown)}</text>'
