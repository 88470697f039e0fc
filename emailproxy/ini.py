"""Which sections and options does an INI text hold? As `configparser` reads it, at a tenth of the cost.

A line that begins with ``[`` and is a header ends whatever came before it, however that was indented, so a text falls
into blocks that can be read each by itself; tens of thousands of accounts have few different ones. Rules: those of
`configparser` without interpolation and with its strict mode. What they forbid is not explained here: whoever wants to
know which line is wrong asks `configparser` itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

__all__ = ["DEFAULT", "IrregularError", "Reading", "folded_newlines", "sections"]

DEFAULT: Final = "DEFAULT"
"""The section that may come more than once, for `configparser`; what it means is the reader's affair."""

_HEADER: Final = re.compile(r"\[(?P<header>.+)\]")

# What is alike is kept once: lines and whole blocks that come again, as long as they are no longer than configuration
# is (sealed tokens are, and are all different), and as many as a file has that people wrote.
_LONGEST_LINE: Final = 160
_LONGEST_BODY: Final = 1024
_KEPT: Final = 1024


class IrregularError(ValueError):
    """`configparser` refuses the text in its strict mode."""


class Reading:
    """Reads blocks, and shares what is equal in them. The dictionaries that it gives must not be changed.

    Args:
        repeated: the section that may come more than once; None: there is none.
    """

    def __init__(self, repeated: str | None = DEFAULT) -> None:
        self._repeated = repeated
        self._lines: dict[str, tuple[str, str]] = {}
        self._bodies: dict[str, dict[str, str]] = {}

    def add(self, block: str, found: dict[str, dict[str, str]]) -> None:
        """Add the sections of `block` to `found`.

        Args:
            block: a part of a text with `folded_newlines` that begins where the text does, or with a header at the
                very left, and ends where such a header follows.
            found: the sections so far.

        Raises:
            IrregularError: it is wrong by itself, or a section is there already.
        """
        first, _, body = block.partition("\n")
        header = _HEADER.match(first)
        name = header["header"] if header is not None else None
        if name is None or name == self._repeated or name in found or len(body) > _LONGEST_BODY:
            self._read(block, found)
            return
        options = self._bodies.get(body)
        if options is not None:
            found[name] = options
        elif self._read(block, found) == 1 and len(self._bodies) < _KEPT:
            self._bodies[body] = found[name]

    def _read(self, block: str, found: dict[str, dict[str, str]]) -> int:
        """As `add`, line by line; how many headers there were."""
        lines = self._lines
        section: dict[str, str] | None = None
        option: str | None = None
        value: list[str] = []  # of an option in more than one line
        headers = blank = indent = 0
        for line in block.split("\n"):
            known = lines.get(line)
            if known is not None and section is not None:
                if value and option is not None:
                    section[option] = "\n".join(value).rstrip()
                    value = []
                option, text = known
                if option in section:
                    raise IrregularError
                section[option] = text
                blank = indent = 0
                continue
            stripped = line.strip()
            if not stripped:
                blank += 1
                continue
            if stripped[0] in "#;":
                continue
            begins = len(line) - len(line.lstrip()) if line[0].isspace() else 0
            if option is not None and section is not None:
                if begins > indent:
                    if not value:
                        value.append(section[option])
                    value += [""] * blank
                    value.append(stripped)
                    blank = 0
                    continue
                if value:
                    section[option] = "\n".join(value).rstrip()
                    value = []
            indent, blank = begins, 0
            header = _HEADER.match(stripped) if stripped[0] == "[" else None
            if header is not None:
                name, option = header["header"], None
                headers += 1
                if name in found and name != self._repeated:
                    raise IrregularError
                section = found.setdefault(name, {})
                continue
            if section is None:
                raise IrregularError
            option, text = _option(stripped)
            if option in section:
                raise IrregularError
            section[option] = text
            if not begins and len(line) <= _LONGEST_LINE and len(lines) < _KEPT:
                lines[line] = option, text
        if value and option is not None and section is not None:
            section[option] = "\n".join(value).rstrip()
        return headers


def _option(line: str) -> tuple[str, str]:
    """Its name and the value in its line.

    Raises:
        IrregularError: it is no option.
    """
    end = line.find("=")
    colon = line.find(":", 0, end) if end >= 0 else line.find(":")
    if colon >= 0:
        end = colon
    name = line[:end].rstrip().lower() if end >= 0 else ""
    if not name:
        raise IrregularError
    return name, line[end + 1 :].strip()


def folded_newlines(text: str) -> str:
    """`text` with a line feed at the end of each line, as a file that is opened in text mode."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _blocks(text: str) -> Iterator[str]:
    """The parts of a text with folded newlines that can be read each by itself: one for each header at the very left.

    What stands above the first of them is a part too.
    """
    begin = 0
    end = text.find("\n[")
    while end >= 0:
        if _HEADER.match(text, end + 1):
            yield text[begin:end]
            begin = end + 1
        end = text.find("\n[", end + 2)
    yield text[begin:]


def sections(
    text: str, repeated: str | None = DEFAULT, forget: Callable[[dict[str, dict[str, str]]], None] | None = None
) -> Mapping[str, Mapping[str, str]]:
    """All sections of `text` with their own options, names in lower case; `DEFAULT` is a section like others.

    Sections that are equal may be one object.

    Args:
        text: an INI text.
        repeated: as for `Reading`.
        forget: called with all sections so far when one was read that is long and like no other, to take out of it
            what nobody needs. Thousands of tokens would else be kept until the last one is read.

    Raises:
        IrregularError: `configparser` would raise an error; this one does not say which.
    """
    found: dict[str, dict[str, str]] = {}
    reading = Reading(repeated)
    for block in _blocks(folded_newlines(text)):
        reading.add(block, found)
        if forget is not None and len(block) > _LONGEST_BODY:
            forget(found)
    return found
