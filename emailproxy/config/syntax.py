"""Which sections and options does an INI text hold, and where is its syntax broken?

As `configparser` reads it without interpolation and with its strict mode, as the classic proxy does with the same
files. A text without a mistake is read by `emailproxy.ini`, one with a mistake by `emailproxy.config.irregular`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from emailproxy import ini
from emailproxy.config.deferred import parse_irregular
from emailproxy.config.model import Fault
from emailproxy.references.base import Fetched, Reference
from emailproxy.store.base import CACHED_OPTIONS

__all__ = ["Section", "Syntax", "decode", "parse"]

_NOTHING: Final[Mapping[str, Reference | Fetched | None]] = MappingProxyType({})
_CACHED: Final = frozenset(CACHED_OPTIONS)
_TOKEN: Final = "(not kept)"  # noqa: S105 - stands for one


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
        return parse_irregular(text, file)


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
