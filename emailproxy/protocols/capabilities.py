"""What do we offer a client before login? What its server offered last, with our own ways to log in.

The server's list is parsed and built anew, never edited as text: its ways to log in are not ours, and their order and
spelling differ between servers. What stays is what the client will meet after login; nothing is promised that the
server did not list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from emailproxy.protocols.sasl import SERVER_MECHANISMS

__all__ = ["imap_capabilities", "pop3_capabilities", "smtp_extensions"]

MAX_OFFER: Final = 6_000
"""Octets of a server's list that are passed on: with ours in one IMAP line below the 8,192 that clients must read
(RFC 7162, section 4). Real lists have 200 to 600."""

LISTS: Final = 64
"""Answers kept: each is asked for by every connection, and there is one for each server."""

IMAP_DEFAULT: Final = ("IMAP4rev1", "ID", "NAMESPACE", "IDLE", "UIDPLUS")
"""What every server that takes OAuth tokens has, for the time until one has told us more."""
POP3_DEFAULT: Final = ("TOP", "UIDL")
SMTP_DEFAULT: Final = ("8BITMIME",)

_TOKEN: Final = re.compile(r"[\x21-\x5c\x5e-\x7e]+")
"""An IMAP capability: printable, and no ``]``, which would end the response code that holds it."""
_LINE: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]*")

_IMAP_OURS: Final = ("STARTTLS", "LOGINDISABLED", "SASL-IR")
_POP3_OURS: Final = ("SASL", "AUTH", "STLS", "USER", "APOP", "RESP-CODES", "AUTH-RESP-CODE", "UTF8", "LANG")
"""UTF8 and LANG (RFC 6856) are switched on before login, where the server cannot hear it."""
_SMTP_OURS: Final = ("AUTH", "STARTTLS")


def imap_capabilities(
    offered: Sequence[str], *, starttls: bool, mechanisms: tuple[str, ...] = SERVER_MECHANISMS
) -> str:
    """The capabilities before login, joined by spaces; IMAP4rev1 first, because clients look for it there."""
    return _imap_capabilities(tuple(offered), starttls, mechanisms)


@lru_cache(maxsize=LISTS)
def _imap_capabilities(offered: tuple[str, ...], starttls: bool, mechanisms: tuple[str, ...]) -> str:
    first: list[str] = []
    others: list[str] = []
    for token in _bounded(offered or IMAP_DEFAULT, _TOKEN):
        name = token.upper()
        if name in ("IMAP4REV1", "IMAP4REV2"):
            first.append("IMAP4rev" + name[-1])
        elif name not in _IMAP_OURS and not name.startswith("AUTH="):
            others.append(token)
    ours = ["SASL-IR", *(f"AUTH={mechanism}" for mechanism in mechanisms)]
    if starttls:
        ours.append("STARTTLS")
    # dict.fromkeys: each once, in order.
    return " ".join(dict.fromkeys([*(sorted(first) or ["IMAP4rev1"]), *ours, *others]))


def pop3_capabilities(
    offered: Sequence[str], *, starttls: bool, mechanisms: tuple[str, ...] = SERVER_MECHANISMS
) -> tuple[str, ...]:
    """The lines of the answer to CAPA. Response codes are ours to promise: refused logins carry them."""
    ours = ["USER", f"SASL {' '.join(mechanisms)}", "RESP-CODES", "AUTH-RESP-CODE"]
    if starttls:
        ours.append("STLS")
    return tuple(dict.fromkeys([*_others(offered or POP3_DEFAULT, _POP3_OURS), *ours]))


def smtp_extensions(
    offered: Sequence[str], *, starttls: bool, mechanisms: tuple[str, ...] = SERVER_MECHANISMS
) -> tuple[str, ...]:
    """The lines of the answer to EHLO behind the first.

    ``AUTH=`` is what clients older than RFC 2554 look for; it is there if the server has it.
    """
    listed = " ".join(mechanisms)
    ours = [f"AUTH {listed}"]
    if any(line.upper().startswith("AUTH=") for line in offered):
        ours.append(f"AUTH={listed}")
    if starttls:
        ours.append("STARTTLS")
    return tuple(dict.fromkeys([*_others(offered or SMTP_DEFAULT, _SMTP_OURS), *ours]))


def _others(lines: Iterable[str], ours: tuple[str, ...]) -> list[str]:
    """The lines whose keyword is none of `ours`. ``AUTH=PLAIN`` has the keyword AUTH."""
    return [line for line in _bounded(lines, _LINE) if re.split("[ =]", line, maxsplit=1)[0].upper() not in ours]


def _bounded(items: Iterable[str], form: re.Pattern[str]) -> list[str]:
    """The items that have the `form`, until together they would be longer than `MAX_OFFER`."""
    kept: list[str] = []
    length = 0
    for item in items:
        if form.fullmatch(item):
            length += len(item) + 1
            if length > MAX_OFFER:
                break
            kept.append(item)
    return kept
