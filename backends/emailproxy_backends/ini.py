"""How are a few options of one INI section changed while every other octet of the text stays?

The text is taken apart into lines by the rules of `configparser` (its defaults, no inline comments), and only the lines
of the options in question are replaced, removed or added. A library that edits INI files does not keep enough for that:
with ConfigUpdater 4.1 a change loses CRLF, and indentation (so that the next section's header becomes part of a value),
and a value with a blank line in it keeps its old tail, which then ends the new value. The caller checks the outcome
with `configparser` all the same.
"""

from __future__ import annotations

import configparser
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["UnwritableError", "edited", "parsed", "without_if_empty"]

_SECTION: Final = re.compile(r"\[(?P<header>.+)\]")
_DELIMITER: Final = re.compile(r"[=:]")
# `configparser` copies its default section into every other one; under this name none is the default section.
_NO_DEFAULTS: Final = "\x01"


class UnwritableError(ValueError):
    """A name or value that an INI file cannot hold; the message names the option, never the value."""


@dataclass(slots=True)
class _Option:
    """Where an option stands: its first line, and its continuation lines but for empty ones and comments."""

    name: str
    first: int
    continuation: list[int] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.continuation[-1] if self.continuation else self.first


@dataclass(slots=True)
class _Section:
    header: int
    options: list[_Option] = field(default_factory=list)
    follower: int | None = None
    """The line with the next section's header."""


def parsed(text: str) -> dict[str, dict[str, str]]:
    """All sections of `text` with their own options, names in lower case; ``[DEFAULT]`` is a section like others.

    Raises:
        configparser.Error: what `configparser` raises in its strict mode.
    """
    parser = configparser.ConfigParser(interpolation=None, default_section=_NO_DEFAULTS)
    parser.read_file(io.StringIO(text, newline=None))
    return {name: dict(parser.items(name, raw=True)) for name in parser.sections()}


def edited(text: str, section: str, changes: Mapping[str, str | None]) -> str:
    """`text` with `changes` made to the options of `section`, everything else octet for octet as it was.

    A value replaces the old one in its place; a new option comes after the section's last one, a new section at the end
    of the text; None removes an option with its continuation lines. A comment between them stays.

    Args:
        text: an INI text that `parsed` accepts.
        section: the exact name of the section.
        changes: option names in lower case and their new values.

    Raises:
        UnwritableError: the name or a value would not be read back as it is.
    """
    for name, value in changes.items():
        if value is not None and (not value or value != value.strip() or "\n" in value or "\r" in value):
            raise UnwritableError(name)
    # Line ends as configparser sees them in a file opened in text mode, and kept.
    lines: list[str] = list(io.StringIO(text, newline=""))
    place = _scan(lines).get(section)
    if place is None:
        return _with_new_section(lines, section, changes)

    replaced: dict[int, str] = {}
    there = {option.name: option for option in place.options}
    for name, value in changes.items():
        option = there.get(name)
        if option is not None:
            replaced[option.first] = "" if value is None else _with_value(lines[option.first], value)
            replaced.update(dict.fromkeys(option.continuation, ""))
    new = [f"{name} = {value}" for name, value in changes.items() if name not in there and value is not None]
    anchor = place.options[-1].last if place.options else place.header
    indent = _indent_for_new(lines, place)
    output = []
    for number, line in enumerate(lines):
        output.append(replaced.get(number, line))
        if number == anchor and new:
            end = _line_end(line) or _usual_line_end(lines)
            # The last line of a file may lack its end; a removed one needs none.
            if output[-1] and not _line_end(output[-1]):
                output.append(end)
            output += [f"{indent}{option}{end}" for option in new]
    return "".join(output)


def without_if_empty(text: str, section: str) -> str:
    """`text` without the header of `section`, if nothing else of the section is left; a person's words all stay.

    Words are a comment in the section, behind its header, or in the line above it. Empty lines stay where they are.
    """
    lines: list[str] = list(io.StringIO(text, newline=""))
    place = _scan(lines).get(section)
    if place is None or lines[place.header].strip() != f"[{section}]":
        return text
    if any(line.strip() for line in lines[place.header + 1 : place.follower]):
        return text
    if place.header and lines[place.header - 1].lstrip().startswith(("#", ";")):
        return text
    return "".join(lines[: place.header] + lines[place.header + 1 :])


def _scan(lines: list[str]) -> dict[str, _Section]:
    """The lines of each section's options, found in the way that `configparser` reads."""
    sections: dict[str, _Section] = {}
    section: _Section | None = None
    option: _Option | None = None
    indent = 0
    for number, line in enumerate(lines):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ";")):
            continue
        current = len(line) - len(line.lstrip())
        if section is not None and option is not None and current > indent:
            option.continuation.append(number)
            continue
        indent = current
        header = _SECTION.match(stripped)
        if header:
            if section is not None:
                section.follower = number
            section, option = _Section(number), None
            sections[header["header"]] = section
        elif section is not None:
            option = _Option(_DELIMITER.split(stripped, maxsplit=1)[0].rstrip().lower(), number)
            section.options.append(option)
    return sections


def _with_value(line: str, value: str) -> str:
    """`line` with another value: its indentation, spelling, delimiter, spacing and end are kept."""
    content = line.rstrip()
    delimiter = _DELIMITER.search(content)
    if delimiter is None:  # not an option line; configparser would have refused it
        raise UnwritableError(content)
    after = content[delimiter.end() :]
    spacing = after[: len(after) - len(after.lstrip())] if after else " "
    return content[: delimiter.end()] + spacing + value + _line_end(line)


def _indent_for_new(lines: list[str], place: _Section) -> str:
    """The indentation with which a new line changes nothing for the lines around it.

    Deeper than the option before, it would continue that; less deep than the line behind, that would continue it.
    """
    if place.options:
        return _indent(lines[place.options[-1].first])
    around = [_indent(lines[place.header])]
    if place.follower is not None:
        around.append(_indent(lines[place.follower]))
    return max(around, key=len)


def _with_new_section(lines: list[str], section: str, changes: Mapping[str, str | None]) -> str:
    if not section or "\n" in section or "\r" in section:
        raise UnwritableError("the section's name")
    # Like the line before; another end could merge with its own (CR and LF).
    end = _line_end(lines[-1]) if lines else ""
    end = end or _usual_line_end(lines)
    text = "".join(lines)
    if lines and not _line_end(lines[-1]):
        text += end
    if lines and lines[-1].strip():
        text += end
    # As deep as the last line above, or less, a header continues no value; so it stands at the very left.
    text += f"[{section}]{end}"
    return text + "".join(f"{name} = {value}{end}" for name, value in changes.items() if value is not None)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


def _usual_line_end(lines: list[str]) -> str:
    return (_line_end(lines[0]) if lines else "") or "\n"
