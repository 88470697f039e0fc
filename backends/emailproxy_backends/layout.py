"""Where in a file does each account's section stand? So that one of thousands is read, or changed, by itself.

A header at the very left ends whatever came before it, so the file falls into parts that mean the same wherever they
stand (`emailproxy.ini`), most of them with one section. All are read once, to know that the file is whole and where its
sections are; afterwards a part is read when somebody asks for it, and a change concerns the octets of one part.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from typing import Final

from emailproxy import ini
from emailproxy.store.base import CACHED_OPTIONS

__all__ = ["Layout", "cached", "understood"]

_BOM: Final = b"\xef\xbb\xbf"
_RECORD: Final = frozenset(CACHED_OPTIONS)
_HEADER: Final = re.compile(rb"\[[^\r\n]+\]")


class Layout:
    """A file's octets, in parts. Never changed: a change makes another one.

    Args:
        octets: the file's, or so many of its parts.
        starts: where the parts begin, the first at 0; none if there are no octets.
        places: the part in which each section stands, in the order of the file.
        records: the sections that hold an option of a record.
        odd: the names that are not folded as they are, by what they fold to; None: not known yet.
    """

    def __init__(
        self,
        octets: bytes,
        starts: array[int],
        places: Mapping[str, int],
        records: frozenset[str],
        odd: Mapping[str, list[str]] | None = None,
    ) -> None:
        self.octets = octets
        self.records = records
        self.starts = starts
        self.places = places
        self._odd = odd

    def section(self, account: str) -> str | None:
        """The name of the account's section as the file spells it: exactly, or else without regard to case."""
        if account in self.places:
            return account
        folded = account.casefold()
        spellings = [*self._odd_spellings.get(folded, ()), *([folded] if folded in self.places else ())]
        if len(spellings) < 2:
            return spellings[0] if spellings else None
        return next(name for name in self.places if name in spellings)

    @property
    def parts(self) -> int:
        """How many there are."""
        return len(self.starts)

    def text(self, first: int, last: int) -> str:
        """What stands in the parts from `first` up to, but not with, `last`. Without a byte order mark."""
        octets = self.octets[self._start(first) : self._start(last)]
        return (octets if first else octets.removeprefix(_BOM)).decode()

    def options(self, section: str) -> Mapping[str, str]:
        """The options of `section`."""
        part = self.places[section]
        return ini.sections(self.text(part, part + 1), repeated=None)[section]

    def replaced(self, first: int, last: int, text: str) -> Layout:
        """The file with `text` in the place of these parts, which the rest of it has been proven to bear.

        Raises:
            UnicodeEncodeError: `text` is none that UTF-8 can hold.
        """
        begin, end = self._start(first), self._start(last)
        mark = _BOM if not first and self.octets.startswith(_BOM) else b""
        gone = set(ini.sections(self.text(first, last), repeated=None))
        new = understood(mark + text.encode())
        old = memoryview(self.octets)
        octets = b"".join((old[:begin], new.octets, old[end:]))
        starts = self.starts[:first]
        starts.extend([begin + start for start in new.starts])
        grown = len(new.octets) - (end - begin)
        starts.extend([start + grown for start in self.starts[last:]])
        places, odd, records = self.places, self._odd, self.records
        more = new.parts - (last - first)
        if more or gone != new.places.keys():
            odd = None
            before = [(name, part) for name, part in places.items() if part < first]
            behind = [(name, part + more) for name, part in places.items() if part >= last]
            places = dict([*before, *((name, part + first) for name, part in new.places.items()), *behind])
        if records & gone != new.records:
            records = (records - gone) | new.records
        return Layout(octets, starts, places, records, odd)

    def of_records(self) -> Layout:
        """What is enough for reading records, if that is much less: people's sections without one need no memory.

        Of names that differ only in case all are kept, for the first of them counts.
        """
        wanted = set(self.records)
        for folded, names in self._odd_spellings.items():
            wanted.update(names, (folded,))
        parts = sorted({self.places[name] for name in wanted if name in self.places})
        if 2 * sum(self._start(part + 1) - self._start(part) for part in parts) > len(self.octets):
            return self
        return understood("\n".join(self.text(part, part + 1) for part in parts).encode())

    @property
    def _odd_spellings(self) -> Mapping[str, list[str]]:
        if self._odd is None:
            odd: dict[str, list[str]] = {}
            for name in self.places:
                folded = name.casefold()
                if folded != name:
                    odd.setdefault(folded, []).append(name)
            self._odd = odd
        return self._odd

    def _start(self, part: int) -> int:
        return self.starts[part] if part < len(self.starts) else len(self.octets)


def understood(octets: bytes) -> Layout:
    """Read a whole file.

    Raises:
        UnicodeDecodeError: it is not in UTF-8.
        IrregularError: it is no INI file.
    """
    starts = array("Q")
    places: dict[str, int] = {}
    records = set()
    reading = ini.Reading(repeated=None)
    for begin, end in _parts(octets):
        part = octets[begin:end]
        found: dict[str, dict[str, str]] = {}
        reading.add(ini.folded_newlines((part if begin else part.removeprefix(_BOM)).decode()), found)
        for name, options in found.items():
            if name in places:
                raise ini.IrregularError
            places[name] = len(starts)
            if not _RECORD.isdisjoint(options) and cached(options):
                records.add(name)
        starts.append(begin)
    return Layout(octets, starts, places, frozenset(records))


def cached(options: Mapping[str, str]) -> dict[str, str]:
    """Those of `options` that belong to a record and have a value."""
    return {name: options[name] for name in CACHED_OPTIONS if options.get(name)}


def _parts(octets: bytes) -> Iterator[tuple[int, int]]:
    """Where the parts begin and end."""
    begin = 0
    end = octets.find(b"\n[") + 1
    while end:
        if _HEADER.match(octets, end):
            yield begin, end
            begin = end
        end = octets.find(b"\n[", end) + 1
    if octets:
        yield begin, len(octets)
