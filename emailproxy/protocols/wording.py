"""How do words from the other side become safe to log? Printable, one line, cut, and without the token we sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from emailproxy.secret import MASK, Secret

__all__ = ["MAX_WORDS", "printable", "without"]

MAX_WORDS: Final = 512
"""Characters kept of anything that the other side said: the longest SMTP or POP3 reply line (RFC 5321, 4.5.3.1.5)."""

_BREAKS: Final = re.compile(r"[\t\r\n]+")
_ODD: Final = re.compile(r"[^\x20-\x7e]")
_WORD: Final = re.compile(r"[^\s\"'<>]+")

_PIECE: Final = 16
"""Characters in a row that make a quotation of a secret recognisable: too many for an accident, few enough to be of
no use to a thief."""
_LONG: Final = re.compile(rf"[^\s\"'<>]{{{_PIECE}}}")


def printable(text: bytes | str, limit: int = MAX_WORDS) -> str:
    """`text` as at most `limit` printable ASCII characters on one line.

    Line breaks and tabs become one space, other characters ``?``; what is cut ends in ``...``.
    """
    if isinstance(text, bytes):
        # Nothing behind the first 4 * limit octets can be seen: UTF-8 needs four octets for a character at the most.
        text = text[: 4 * limit + 4].decode("utf-8", "replace")
    if not (text.isascii() and text.isprintable()):  # rare, and what follows costs as much as a line's parsing
        text = _ODD.sub("?", _BREAKS.sub(" ", text[: 4 * limit + 4].strip("\t\r\n")))
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def without(secrets: Iterable[Secret], text: bytes | str) -> str:
    """`text` with every word masked that quotes one of `secrets`, whole or in part, then made `printable`.

    Servers quote what they did not understand, and an ``AUTH`` line that was not understood holds the token.
    """
    text = printable(text, 4 * MAX_WORDS)
    if not _LONG.search(text):
        # Too short to quote anything by, unless a whole secret is as short.
        secrets = [secret for secret in secrets if len(secret.reveal()) < _PIECE]
        if not secrets:
            return printable(text)
    values = [value for value in (secret.reveal() for secret in secrets) if value]

    def mask(found: re.Match[str]) -> str:
        word = found[0]
        if any(value in word for value in values):
            return MASK
        pieces = (word[start : start + _PIECE] for start in range(len(word) - _PIECE + 1))
        return MASK if any(piece in value for piece in pieces for value in values) else word

    return printable(_WORD.sub(mask, text))
