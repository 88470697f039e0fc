"""How are IMAP commands and responses taken apart? The part of RFC 9051, section 9, that is needed until login."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = [
    "Announcement",
    "Arguments",
    "Command",
    "Continuation",
    "Response",
    "Tagged",
    "Untagged",
    "announced_literal",
    "parse_command",
    "parse_response",
    "quoted",
    "response_code",
]

# --- commands -------------------------------------------------------------------------------------------------------

_TAG: Final = rb'[^\x00-\x20\x7f-\xff(){%*"\\+]+'
"""tag = 1*<any ASTRING-CHAR except "+">; "]" is an ASTRING-CHAR."""
_COMMAND: Final = re.compile(rb"(" + _TAG + rb") ([^ ]+)(.*)", re.DOTALL)
_LITERAL: Final = re.compile(rb"(?:^|[ (])\{([0-9]+)([+-]?)\}\Z")
_QUOTED: Final = re.compile(rb'"((?:[^"\\\x00\r\n]|\\["\\])*)"')
_ATOM: Final = re.compile(rb'[^\x00-\x20\x7f"(){][^\x00-\x20\x7f]*')
"""More than the grammar allows: clients send a password like ``50%*`` or ``a\\b`` as it is, and that is unambiguous.

A backslash in an atom is a backslash; only a quoted string has escapes."""
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)

_MAX_DIGITS: Final = 10
"""A literal's length is a 32-bit number (number64 is for message data, which is not sent before login)."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A literal that follows the line."""

    size: int
    synchronising: bool
    """Whether the client waits for our ``+``.

    ``{n-}`` is in no RFC but is sent. It is taken as synchronising: a client that does not wait is not hurt by one
    ``+`` more, while one that does wait would hang without it.
    """


@dataclass(frozen=True, slots=True)
class Command:
    """A command, taken apart."""

    tag: bytes
    verb: bytes
    """Upper case."""
    fragments: tuple[bytes, ...]
    """What follows the verb, the space included: line, literal, line, literal, ..., line."""

    @property
    def is_bare(self) -> bool:
        """Whether it has no arguments. A space too many at the end is none."""
        return not self.fragments[0].strip(b" ")


def announced_literal(line: bytes) -> Announcement | None:
    """The literal that `line` announces at its end, if it does."""
    found = _LITERAL.search(line) if line.endswith(b"}") else None
    if found is None:
        return None
    digits = found[1]
    size = int(digits) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS
    return Announcement(size, synchronising=found[2] != b"+")


def parse_command(fragments: Sequence[bytes]) -> Command | None:
    """The command that came as `fragments` (line, literal, line, ...), or None if it is none."""
    found = _COMMAND.fullmatch(fragments[0])
    return Command(found[1], found[2].upper(), (found[3], *fragments[1:])) if found else None


class Arguments:
    """A cursor over a command's arguments."""

    __slots__ = ("_literals", "_position", "_text", "_texts")

    def __init__(self, fragments: Sequence[bytes]) -> None:
        """Start at the beginning of `Command.fragments`."""
        self._text, *self._texts = fragments[0::2]
        self._literals = list(fragments[1::2])
        self._position = 0

    @property
    def at_end(self) -> bool:
        """Whether everything was taken."""
        return self._position == len(self._text) and not self._texts

    def take(self, expected: bytes) -> bool:
        """Take `expected` (letters in any case) if it comes next."""
        end = self._position + len(expected)
        if self._text[self._position : end].upper() != expected:
            return False
        self._position = end
        return True

    def string(self) -> bytes | None:
        """Take a quoted string or literal; None if neither comes next."""
        announced = _LITERAL.match(self._text, max(self._position - 1, 0))
        if announced and self._texts and self._text[self._position : self._position + 1] == b"{":
            self._text, self._position = self._texts.pop(0), 0
            return self._literals.pop(0)
        found = _QUOTED.match(self._text, self._position)
        if found is None:
            return None
        self._position = found.end()
        return _ESCAPED.sub(rb"\1", found[1])

    def astring(self) -> bytes | None:
        """Take an atom, quoted string or literal; None if nothing of that kind comes next."""
        string = self.string()
        if string is not None:
            return string
        found = _ATOM.match(self._text, self._position)
        if found is None:
            return None
        self._position = found.end()
        return found[0]


def quoted(octets: bytes) -> bytes | None:
    """`octets` as a quoted string, or None if only a literal could hold them."""
    if re.search(rb"[\x00\r\n]", octets):
        return None
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", octets) + b'"'


# --- responses ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Untagged:
    """``* keyword rest``."""

    keyword: bytes
    """Upper case."""
    rest: bytes
    line: bytes
    """All of it, as it came."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """``tag status text``; throttled servers leave the tag out."""

    tag: bytes | None
    status: bytes
    """OK, NO or BAD."""
    text: bytes
    line: bytes
    """All of it but the tag."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """``+ text``."""

    text: bytes


Response = Untagged | Tagged | Continuation

_UNTAGGED: Final = re.compile(rb"\* +([^ ]+) ?(.*)", re.DOTALL)
_TAGGED: Final = re.compile(rb"(?:([^ ]+) +)?((OK|NO|BAD)(?: +(.*))?)", re.DOTALL | re.IGNORECASE)
_CODE: Final = re.compile(rb"\[([^\] ]+)(?: ([^\]]*))?\] ?")


def parse_response(line: bytes) -> Response | None:
    """What a server's line is, or None if it is nothing that IMAP knows."""
    if line == b"+" or line.startswith(b"+ "):
        return Continuation(line[2:].strip(b" "))
    if found := _UNTAGGED.fullmatch(line):
        return Untagged(found[1].upper(), found[2], line)
    if found := _TAGGED.fullmatch(line):
        return Tagged(found[1], found[3].upper(), found[4] or b"", found[2])
    return None


def response_code(text: bytes) -> tuple[bytes, bytes, bytes]:
    """Split resp-text into code (upper case), the code's arguments, and the words; b"" for what is not there."""
    found = _CODE.match(text)
    if found is None:
        return b"", b"", text
    return found[1].upper(), found[2] or b"", text[found.end() :]
