"""What does a client hear when a login fails? One table for three protocols (RFC 5530, 3206, 4954, 3463)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emailproxy.failures import Failure, FailureKind
from emailproxy.protocols.wording import printable

__all__ = ["CODES", "Codes", "imap_bye", "imap_no", "pop3_err", "smtp_goodbye", "smtp_no_mail", "smtp_reply", "told"]

MAX_TEXT: Final = 400
"""Characters of a sentence: with codes and reference it stays below the 512 octets of a POP3 or SMTP reply line."""


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of one failure kind."""

    imap: str
    """Response code, in a tagged NO or in BYE."""
    pop3: str | None
    """Response code behind -ERR; None where RFC 2449 and 3206 have none that fits."""
    smtp: str
    """Reply code and enhanced code that answer a command."""
    smtp_goodbye: str
    """The same before closing the connection unasked, where RFC 5321 (3.8) wants 421."""


CODES: Final[Mapping[FailureKind, Codes]] = {
    FailureKind.WRONG_CREDENTIALS: Codes("AUTHENTICATIONFAILED", "AUTH", "535 5.7.8", "421 4.7.0"),
    FailureKind.TEMPORARY: Codes("UNAVAILABLE", "SYS/TEMP", "454 4.7.0", "421 4.7.0"),
    FailureKind.MISCONFIGURED: Codes("CONTACTADMIN", "SYS/PERM", "554 5.3.5", "421 4.3.5"),
    FailureKind.PROTOCOL_ABUSE: Codes("CLIENTBUG", None, "500 5.5.6", "500 5.5.6"),
    FailureKind.LIMIT: Codes("LIMIT", "SYS/TEMP", "421 4.7.0", "421 4.7.0"),
    FailureKind.SHUTTING_DOWN: Codes("UNAVAILABLE", "SYS/TEMP", "421 4.3.2", "421 4.3.2"),
}


def told(failure: Failure) -> str:
    """The sentence and the reference that lead to the log line; printable ASCII whatever `failure` holds."""
    return f"{printable(failure.text, MAX_TEXT)} (ref {printable(failure.reference, 16)})"


def imap_no(tag: bytes, kind: FailureKind, text: str) -> bytes:
    """A tagged NO; the connection stays open."""
    return b"%b NO [%b] %b\r\n" % (tag, CODES[kind].imap.encode(), text.encode())


def imap_bye(kind: FailureKind, text: str) -> bytes:
    """An untagged BYE."""
    return b"* BYE [%b] %b\r\n" % (CODES[kind].imap.encode(), text.encode())


def pop3_err(kind: FailureKind, text: str) -> bytes:
    """A -ERR, as an answer or before closing: POP3 has no other goodbye."""
    code = CODES[kind].pop3
    return f"-ERR [{code}] {text}\r\n".encode() if code else f"-ERR {text}\r\n".encode()


def smtp_reply(kind: FailureKind, text: str) -> bytes:
    """An answer to a command."""
    return f"{CODES[kind].smtp} {text}\r\n".encode()


def smtp_no_mail(kind: FailureKind, text: str) -> bytes:
    """An answer to MAIL: the codes of a failed login belong to AUTH (RFC 4954, section 6; RFC 5321, 4.2.3)."""
    codes = {FailureKind.TEMPORARY: "451 4.7.0", FailureKind.WRONG_CREDENTIALS: "530 5.7.0"}
    return f"{codes.get(kind, CODES[kind].smtp)} {text}\r\n".encode()


def smtp_goodbye(kind: FailureKind, text: str) -> bytes:
    """The last line before the connection is closed."""
    return f"{CODES[kind].smtp_goodbye} {text}\r\n".encode()
