"""Which messages does SEARCH find (RFC 9051 section 6.4.4)? The keys that clients really use."""

from __future__ import annotations

import email.parser
from collections.abc import Callable
from typing import Final

from emailproxy.testing.provider.imap_syntax import Token, number_set
from emailproxy.testing.provider.mailbox import Message

__all__ = ["search"]

Key = Callable[[int, Message], bool]

_FLAG_KEYS: Final = {
    "SEEN": "\\Seen",
    "DELETED": "\\Deleted",
    "FLAGGED": "\\Flagged",
    "ANSWERED": "\\Answered",
    "DRAFT": "\\Draft",
}


def search(view: list[Message], arguments: list[Token]) -> list[tuple[int, Message]]:
    """The messages of `view` that match every key, with their sequence numbers.

    Raises:
        ValueError: a key is unknown or lacks its argument.
    """
    words = list(arguments)
    if words and _word(words[0]).upper() == "CHARSET":
        del words[:2]
    keys: list[Key] = []
    while words:
        keys.append(_next_key(words, view))
    numbered = enumerate(view, 1)
    return [(number, message) for number, message in numbered if all(key(number, message) for key in keys)]


def _word(token: Token) -> str:
    if isinstance(token, list):
        raise ValueError("lists in SEARCH are not supported")  # noqa: TRY004 - the client's syntax, not our type
    return token.decode("utf-8", "replace")


def _next_key(words: list[Token], view: list[Message]) -> Key:
    if not words:
        raise ValueError("SEARCH key lacks its argument")
    name = _word(words.pop(0)).upper()
    if name in {"ALL", "OLD"}:
        return lambda _number, _message: True
    if name in {"NEW", "RECENT"}:
        return lambda _number, _message: False
    if name in _FLAG_KEYS:
        flag = _FLAG_KEYS[name]
        return lambda _number, message: flag in message.flags
    if name.removeprefix("UN") in _FLAG_KEYS:
        flag = _FLAG_KEYS[name.removeprefix("UN")]
        return lambda _number, message: flag not in message.flags
    if name == "NOT":
        key = _next_key(words, view)
        return lambda number, message: not key(number, message)
    if name[0].isdigit() or name[0] == "*":
        contains = number_set(name, len(view))
        return lambda number, _message: contains(number)
    return _key_with_argument(name, words, view)


def _key_with_argument(name: str, words: list[Token], view: list[Message]) -> Key:
    if name not in {"UID", "HEADER", "SUBJECT", "FROM", "TO", "TEXT"}:
        raise ValueError(f"unknown SEARCH key {name}")
    if not words:
        raise ValueError(f"{name} lacks its argument")
    value = _word(words.pop(0))
    if name == "UID":
        contains = number_set(value, max((message.uid for message in view), default=0))
        return lambda _number, message: contains(message.uid)
    if name == "TEXT":
        return lambda _number, message: value.lower().encode() in message.octets.lower()
    field = name
    if name == "HEADER":
        if not words:
            raise ValueError("HEADER lacks its text")
        field, value = value, _word(words.pop(0))
    return lambda _number, message: _header_contains(message, field, value)


def _header_contains(message: Message, field: str, text: str) -> bool:
    header = email.parser.BytesHeaderParser().parsebytes(message.octets)
    return any(text.lower() in str(value).lower() for value in header.get_all(field, []))
