"""Does a server's refusal say that trying again later may help? By its code first, by its words where it has none."""

from __future__ import annotations

from typing import Final

__all__ = ["is_temporary"]

_CODES: Final = frozenset({"UNAVAILABLE", "IN-USE", "INUSE", "LIMIT", "LOGIN-DELAY", "SYS/TEMP"})
"""Response codes of RFC 5530, 2449 and 3206, and Dovecot's spelling of one."""

_WORDS: Final = ("throttled", "try again", "try later", "temporar", "too many", "server unavailable")
"""What Exchange, Yahoo and others say in text alone: ``BAD Request is throttled``, ``-ERR Server Unavailable. 21``,
``535 5.7.0 (#AUTH005) Too many bad auth attempts``."""


def is_temporary(words: str, code: str = "") -> bool:
    """Whether a refusal with these `words` and this response `code` is worth another try later."""
    return code.upper() in _CODES or any(word in words.lower() for word in _WORDS)
