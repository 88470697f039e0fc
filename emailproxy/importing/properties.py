"""What does a Java properties file say? Keys and values, escapes resolved (``java.util.Properties.load``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["parse"]

_BLANKS: Final = " \t\f"
_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_ESCAPED: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
# A key ends at the first separator that no backslash stands before.
_KEY: Final = re.compile(r"(?:\\.|[^\\=: \t\f])*", re.DOTALL)


def parse(octets: bytes) -> dict[str, str]:
    """The properties; of a key that is there twice, the last one. ISO 8859-1, as Java writes it."""
    properties = {}
    for line in _logical_lines(octets.decode("iso-8859-1")):
        match = _KEY.match(line)
        assert match is not None, "it matches the empty text too"
        rest = line[match.end() :].lstrip(_BLANKS)
        if rest[:1] in ("=", ":"):
            rest = rest[1:].lstrip(_BLANKS)
        properties[_unescaped(match[0])] = _unescaped(rest)
    return properties


def _logical_lines(text: str) -> Iterator[str]:
    """Lines without comments, those that end in a backslash joined with the next."""
    pending: str | None = None
    for natural in re.split(r"\r\n|\r|\n", text):
        line = natural.lstrip(_BLANKS)
        if pending is None:
            if not line or line[0] in "#!":
                continue
            pending = ""
        pending += line
        backslashes = len(pending) - len(pending.rstrip("\\"))
        if backslashes % 2:
            pending = pending[:-1]
            continue
        yield pending
        pending = None
    if pending:
        yield pending


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _ESCAPES.get(match[2], match[2])

    return _ESCAPED.sub(character, text)
