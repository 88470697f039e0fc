"""Is something under way in a session that nobody parses? What its last words say, asked only when the proxy stops.

Until then a session after login is octets. From then on this hears what passes (`heard`) and looks at the ends of it:
a tagged response of IMAP (RFC 9051 section 2.2.2) or the reply to a message of SMTP (RFC 5321 section 4.1.1.4) is the
end of something; MAIL is a beginning. It never holds anything back and may be wrong: then it says `UNKNOWN`, and the
caller waits for a longer silence.
"""

from __future__ import annotations

import enum
import re
from typing import Final, Literal

__all__ = ["LastWords", "UnderWay"]

KEPT: Final = 1024
"""Octets at the end of each direction that are looked at: twice a reply line of SMTP (RFC 5321 section 4.5.3.1.5)."""

_TAGGED: Final = re.compile(
    rb"(?:^|\n)[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+ (?:OK|NO|BAD)(?: [^\n]*)?\r?\n\Z", re.IGNORECASE
)
"""Of a tag everything but what RFC 9051 keeps out: ``(){%*"\\+``, blanks and controls."""
_FINAL_REPLY: Final = re.compile(rb"(?:^|\n)[2-5]\d\d(?: [^\n]*)?\r?\n\Z")
_IN_MAIL: Final = re.compile(rb"(?:^|\n)(?:(?:MAIL|RCPT|BDAT)[ \t]|DATA[ \t]*\r?\n)", re.IGNORECASE)
"""Commands of which each says that a message is open, since nobody may have heard the first of them."""
_ABANDONS: Final = re.compile(rb"(?:^|\n)(?:RSET|QUIT|EHLO [^\n]*|HELO [^\n]*)\r?\n\Z", re.IGNORECASE)
_LAST_CHUNK: Final = re.compile(rb"(?:^|\n)BDAT[ \t]+\d+[ \t]+LAST[ \t]*\r?\n", re.IGNORECASE)
_END_OF_MAIL: Final = (b"\r\n.\r\n", b"\n.\n")


class LastWords(enum.Enum):
    """What the end of a dialogue says."""

    COMPLETE = "complete"
    """A command was answered in full, and nothing larger is open."""
    OPEN = "open"
    """A message is being handed over."""
    UNKNOWN = "unknown"
    """IDLE, or the middle of a response, or what was said before anybody listened."""


class UnderWay:
    """Hears one session after login.

    Args:
        protocol: whose words these are.
    """

    __slots__ = ("_complete", "_down", "_ended", "_open", "_protocol", "_server_spoke", "_up")

    def __init__(self, protocol: Literal["IMAP", "POP", "SMTP"]) -> None:
        self._protocol = protocol
        self._up = self._down = b""
        self._open = False  # SMTP: MAIL was sent, and the message not yet taken or given up
        self._ended = False  # SMTP: all of it was sent, and the reply is awaited
        self._complete = False  # SMTP: that reply was the last word
        self._server_spoke = True

    def heard(self, data: memoryview, to_client: bool) -> None:
        """Look at what passes."""
        if to_client:
            self._down = (self._down + bytes(data[-KEPT:]))[-KEPT:]
            self._server_spoke = True
            if self._ended and _FINAL_REPLY.search(self._down):
                self._open = self._ended = False
                self._complete = True
            return
        if self._server_spoke:  # a new turn of the client's: what it said before was answered
            self._up = b""
            self._server_spoke = self._complete = False
        if self._protocol == "SMTP":
            self._follow_mail(data)
        self._up = (self._up + bytes(data[-KEPT:]))[-KEPT:]

    def _follow_mail(self, data: memoryview) -> None:
        tail = self._up + bytes(data[-KEPT:])
        if _IN_MAIL.search(tail):
            self._open, self._ended = True, False
        if tail.endswith(_END_OF_MAIL) or _ABANDONS.search(tail) or _LAST_CHUNK.search(tail):
            self._ended = True

    @property
    def last_words(self) -> LastWords:
        """What was said last."""
        if self._open:
            return LastWords.OPEN
        if not self._server_spoke:
            return LastWords.UNKNOWN
        match self._protocol:
            case "IMAP" if _TAGGED.search(self._down):
                return LastWords.COMPLETE
            case "SMTP" if self._complete:
                return LastWords.COMPLETE
            case _:  # POP3: a session that ends before QUIT deletes nothing (RFC 1939 section 6), so it gets its time
                return LastWords.UNKNOWN
