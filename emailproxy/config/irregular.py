"""Where is the syntax of an INI text broken?

`configparser` itself reads it, which stops at the first mistake: each is noted, its line taken out of the way, and the
text read again, so that one run names all of them. Messages carry line numbers and never a line: a line may hold a
secret.
"""

from __future__ import annotations

import configparser
import io
import re
from pathlib import Path
from typing import Final

from emailproxy.config.model import Fault
from emailproxy.config.syntax import Section, Syntax

__all__ = ["parse_irregular"]

# A file with more is no configuration file; each one costs another reading of the text.
MAX_SYNTAX_FAULTS: Final = 50

_SECTION: Final = re.compile(r"\[(?P<header>.+)\]")
_OPTION_NAME: Final = re.compile(r"^(?P<indent>\s*)(?P<name>[^=:]*?)(?P<rest>\s*[=:])")
# Names the lines that were taken out of the way; no option or section of ours can be called so.
_SET_ASIDE: Final = "\x01set-aside-"


def parse_irregular(text: str, file: Path) -> Syntax:
    """Read `text`, which came from `file`; never raises for what a text can hold."""
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
