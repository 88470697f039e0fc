"""Which sections and options does an INI text hold, and where is its syntax broken?

As `configparser` reads it without interpolation and with its strict mode, as the classic proxy does with the same
files. A text without a mistake is read by `emailproxy.ini`. One with a mistake is read by `configparser` itself, which
stops at the first: each is noted, its line taken out of the way, and the text read again, so that one run names all of
them. Messages carry line numbers and never a line: a line may hold a secret.
"""

from __future__ import annotations

import configparser
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from emailproxy import ini
from emailproxy.config.model import Fault
from emailproxy.references.base import Fetched, Reference
from emailproxy.store.base import CACHED_OPTIONS

__all__ = ["Section", "Syntax", "decode", "parse"]

# A file with more is no configuration file; each one costs another reading of the text.
MAX_SYNTAX_FAULTS: Final = 50

_SECTION: Final = re.compile(r"\[(?P<header>.+)\]")
_OPTION_NAME: Final = re.compile(r"^(?P<indent>\s*)(?P<name>[^=:]*?)(?P<rest>\s*[=:])")
_NOTHING: Final[Mapping[str, Reference | Fetched | None]] = MappingProxyType({})
_CACHED: Final = frozenset(CACHED_OPTIONS)
_TOKEN: Final = "(not kept)"  # noqa: S105 - stands for one
# Names the lines that were taken out of the way; no option or section of ours can be called so.
_SET_ASIDE: Final = "\x01set-aside-"


@dataclass(frozen=True, slots=True)
class Section:
    """One section's options, names in lower case."""

    name: str
    options: Mapping[str, str]
    """With those that ``[DEFAULT]`` gives to every section."""
    own: frozenset[str]
    """The names that stand in the section itself."""
    referred: Mapping[str, Reference | Fetched | None] = field(default_factory=lambda: _NOTHING)
    """The options that are references: to be followed at each use, or followed; None: in vain, and said."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """What a text says, as far as it can be read, and what is wrong with it."""

    sections: Mapping[str, Section]
    faults: tuple[Fault, ...]


def decode(octets: bytes, file: Path) -> tuple[str, tuple[Fault, ...]]:
    """UTF-8, with or without a byte order mark; anything else is a fault and replaced."""
    try:
        return octets.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        fault = Fault(str(file), None, None, f"line {line} is not UTF-8", "save the file in the encoding UTF-8")
        return octets.decode("utf-8-sig", "replace"), (fault,)


def parse(text: str, file: Path) -> Syntax:
    """Read `text`, which came from `file`; never raises for what a text can hold.

    Sections of which the same is said share it, so that thousands of them take little room. Of an account's tokens only
    the names are told, at least where they are long: the store reads the values.
    """
    try:
        return Syntax(_shared(ini.sections(text, forget=_forget_tokens)), ())
    except ini.IrregularError:
        return _parse_irregular(text, file)


def _forget_tokens(found: dict[str, dict[str, str]]) -> None:
    """Let go of the tokens of the last section."""
    name = next(reversed(found), ini.DEFAULT)
    # A template's sealed secret is no token, and is read.
    if "@" in name and not name.startswith("@"):
        found[name] = {option: _TOKEN if option in _CACHED else text for option, text in found[name].items()}


def _shared(found: Mapping[str, Mapping[str, str]]) -> dict[str, Section]:
    defaults = found.get(ini.DEFAULT, {})
    names: dict[tuple[str, ...], frozenset[str]] = {}
    sections = {}
    for name, options in found.items():
        if name == ini.DEFAULT:
            continue
        if defaults:
            own = frozenset(key for key, value in options.items() if defaults.get(key) != value)
            sections[name] = Section(name, {**defaults, **options}, own)
        else:
            keys = tuple(options)
            shared = names.get(keys)
            if shared is None:
                shared = names[keys] = frozenset(keys)
            sections[name] = Section(name, options, shared)
    return sections


def _parse_irregular(text: str, file: Path) -> Syntax:
    # Universal newlines, as a file opened in text mode; str.splitlines knows more line ends than configparser.
    lines = list(io.StringIO(text, newline=None))
    faults: list[Fault] = []
    while True:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_file(lines, str(file))
        except configparser.Error as error:
            if len(faults) >= MAX_SYNTAX_FAULTS:
                del faults[MAX_SYNTAX_FAULTS:]
                faults.append(Fault(str(file), None, None, "there are more faults than these", "mend these first"))
                return Syntax({}, tuple(faults))
            faults += _set_aside(error, lines, str(file))
        else:
            return Syntax(_sections(parser), tuple(faults))


def _sections(parser: configparser.ConfigParser) -> dict[str, Section]:
    defaults = parser.defaults()
    sections = {}
    for name in parser.sections():
        if name.startswith(_SET_ASIDE):
            continue
        options = {key: value for key, value in parser.items(name, raw=True) if not key.startswith(_SET_ASIDE)}
        own = frozenset(key for key, value in options.items() if defaults.get(key) != value)
        sections[name] = Section(name, options, own)
    return sections


def _set_aside(error: configparser.Error, lines: list[str], file: str) -> list[Fault]:
    """Turn `error` into faults and change `lines` so that the next reading gets past it."""
    if isinstance(error, configparser.DuplicateSectionError) and error.lineno is not None:
        number = error.lineno
        lines[number - 1] = f"[{_SET_ASIDE}{number}]\n"
        return [Fault(file, str(error.section), None, f"line {number} begins this section a second time", _MERGE)]
    if isinstance(error, configparser.DuplicateOptionError) and error.lineno is not None:
        number = error.lineno
        # Only renamed, so that its continuation lines stay with it.
        lines[number - 1] = _OPTION_NAME.sub(
            lambda match: f"{match['indent']}{_SET_ASIDE}{number}{match['rest']}", lines[number - 1], count=1
        )
        return [
            Fault(file, str(error.section), str(error.option), f"line {number} gives this option a second time", _DROP)
        ]
    if isinstance(error, configparser.MissingSectionHeaderError):
        lines[error.lineno - 1] = "\n"
        return [Fault(file, None, None, f"line {error.lineno} stands before the first [section]", _HEADER)]
    if isinstance(error, configparser.ParsingError):
        faults = []
        for number, _ in error.errors:
            section = _section_of(lines, number)
            lines[number - 1] = "\n"
            faults.append(Fault(file, section, None, f"line {number} is no option, section or comment", _OPTION))
        return faults
    raise error  # no other error comes from reading


def _section_of(lines: list[str], number: int) -> str | None:
    for line in reversed(lines[: number - 1]):
        match = _SECTION.match(line.strip())
        if match and not match["header"].startswith(_SET_ASIDE):
            return match["header"]
    return None


_MERGE: Final = "keep one section of each name"
_DROP: Final = "keep one of the two lines"
_HEADER: Final = "begin the file with a section such as [IMAP-1993] or with a comment (#)"
_OPTION: Final = "write `name = value`, or begin it with # if it is a comment, or indent it to continue the value above"
