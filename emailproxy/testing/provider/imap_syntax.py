"""What did an IMAP client say? Commands with their literals (RFC 9051 section 4) as tag, name and arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from emailproxy.testing.provider.mailbox import Folder
from emailproxy.testing.provider.wire import Disconnected, Wire

__all__ = ["Command", "SyntaxFault", "Token", "number_set", "quoted", "read_command"]

LINE_LIMIT: Final = 64 * 1024
"""Octets of one line: a UID set of a client that sees a big folder for the first time is long."""

LITERAL_LIMIT: Final = 128 * 1024 * 1024
"""Octets of one literal after login: the largest message of a benchmark. Before login see `EARLY_LITERAL_LIMIT`."""

EARLY_LITERAL_LIMIT: Final = 8 * 1024

_LITERAL: Final = re.compile(rb"\{(\d+)(\+?)\}$")
_APPEND_TO: Final = re.compile(rb'\S+ APPEND "?([^" ]+)"? ', re.IGNORECASE)

Token = bytes | list["Token"]
"""An atom, string or literal as its octets; a parenthesised list as a list."""


class SyntaxFault(Exception):  # noqa: N818 - the session answers BAD
    """The command cannot be understood; `tag` is where to send the BAD."""

    def __init__(self, tag: str, problem: str) -> None:
        super().__init__(problem)
        self.tag = tag
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `name` is in upper case, with ``UID`` in front where it belongs: ``UID FETCH``."""

    tag: str
    name: str
    arguments: list[Token]

    def text(self, index: int) -> str:
        """The argument at `index` as a text.

        Raises:
            SyntaxFault: there is none, or it is a list.
        """
        argument = self.arguments[index] if index < len(self.arguments) else None
        if not isinstance(argument, bytes):
            raise SyntaxFault(self.tag, f"{self.name}: argument {index + 1} is missing or a list")
        return argument.decode("utf-8", "replace")


async def read_command(wire: Wire, find_sink: Callable[[str], Folder | None], *, early: bool) -> Command:
    """Read the next command and ask for its literals. A literal appended to a sink folder is not kept.

    Raises:
        SyntaxFault: it must be answered with BAD.
        Disconnected: the client is gone, or a literal is too large.
        LineTooLong: a line is.
    """
    texts: list[bytes] = []
    literals: list[bytes] = []
    while True:
        line = await wire.read_line(LINE_LIMIT)
        literal = _LITERAL.search(line)
        if literal is None:
            texts.append(line)
            break
        texts.append(line[: literal.start()])
        size = int(literal[1])
        if size > (EARLY_LITERAL_LIMIT if early else LITERAL_LIMIT):
            raise Disconnected("literal too large")
        if not literal[2]:
            await wire.send(b"+ Ready for literal data\r\n")
        append = _APPEND_TO.match(texts[0])
        sink = find_sink(append[1].decode("utf-8", "replace")) if append else None
        if sink is not None and not sink.keeps:
            await wire.discard(size)
            sink.dropped += size
            literals.append(b"")
        else:
            literals.append(await wire.read_exactly(size))
    tag, _, rest = texts[0].partition(b" ")
    texts[0] = rest
    return _command(tag.decode("ascii", "replace"), texts, literals)


def _command(tag: str, texts: list[bytes], literals: list[bytes]) -> Command:
    if not tag:
        raise SyntaxFault("*", "empty line")
    top: list[Token] = []
    stack = [top]
    for index, text in enumerate(texts):
        _scan(tag, text, stack)
        if index < len(literals):
            stack[-1].append(literals[index])
    if len(stack) != 1 or not top or not isinstance(top[0], bytes):
        raise SyntaxFault(tag, "no command, or parentheses do not match")
    name = top.pop(0)
    assert isinstance(name, bytes)
    if name.upper() == b"UID" and top and isinstance(verb := top[0], bytes):
        name += b" " + verb
        del top[0]
    return Command(tag, name.decode("ascii", "replace").upper(), top)


def _scan(tag: str, text: bytes, stack: list[list[Token]]) -> None:
    """Add the tokens of one stretch of text to the innermost open list."""
    position = 0
    while position < len(text):
        octet = text[position : position + 1]
        if octet == b" ":
            position += 1
        elif octet == b"(":
            inner: list[Token] = []
            stack[-1].append(inner)
            stack.append(inner)
            position += 1
        elif octet == b")":
            if len(stack) == 1:
                raise SyntaxFault(tag, "parentheses do not match")
            stack.pop()
            position += 1
        elif octet == b'"':
            string = re.compile(rb'"((?:[^"\\]|\\["\\])*)"').match(text, position)
            if string is None:
                raise SyntaxFault(tag, "quoted string has no end")
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", string[1]))
            position = string.end()
        else:
            end = _atom_end(text, position)
            stack[-1].append(text[position:end])
            position = end


def _atom_end(text: bytes, position: int) -> int:
    """Where an atom ends; a section in brackets may hold spaces and parentheses: ``BODY[HEADER.FIELDS (TO)]``."""
    depth = 0
    for index in range(position, len(text)):
        octet = text[index]
        if octet == ord("["):
            depth += 1
        elif octet == ord("]"):
            depth -= 1
        elif depth <= 0 and octet in b" ()":
            return index
    return len(text)


def number_set(text: str, largest: int) -> Callable[[int], bool]:
    """The predicate of a sequence set such as ``1,3:5,7:*``, where ``*`` stands for `largest`.

    Raises:
        ValueError: it is none.
    """
    ranges: list[tuple[int, int]] = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        numbers = [largest if number == "*" else int(number) for number in (first, last or first)]
        ranges.append((min(numbers), max(numbers)))
    return lambda number: any(low <= number <= high for low, high in ranges)


def quoted(text: str) -> str:
    """`text` as a quoted string, for the few texts of ours that need it (no CR, LF or NUL)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
