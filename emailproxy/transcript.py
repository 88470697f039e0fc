"""What of a dialogue may be logged? Commands by name, server replies, and of everything else only its length.

A list of what is safe, not of what is secret: a line that is not recognised is shown as its number of octets. Only used
with ``--debug``; the loggers see nothing else of what a peer said.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from emailproxy.config import MailProtocol

__all__ = ["Transcript"]

SAFE_COMMANDS: Final = frozenset(
    {
        "CAPABILITY",
        "NOOP",
        "ID",
        "LOGOUT",
        "STARTTLS",
        "ENABLE",
        "CAPA",
        "STLS",
        "QUIT",
        "EHLO",
        "HELO",
        "RSET",
        "MAIL",
        "RCPT",
        "DATA",
        "HELP",
    }
)
"""Shown whole: none carries a credential."""

CREDENTIAL_COMMANDS: Final = frozenset({"LOGIN", "AUTHENTICATE", "AUTH", "USER", "PASS", "APOP"})
"""Shown by name, with the mechanism where there is one."""

MECHANISMS: Final = frozenset(
    {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-256", "CRAM-MD5", "EXTERNAL", "NTLM"}
)

LONGEST_LINE = 512
"""Characters of a line that are shown; longer than any reply that means something to a person."""

_LONG_WORD: Final = re.compile(r"[A-Za-z0-9+/=_.~-]{64,}")
"""A reply may echo what it refused, and a token is one long word; shorter ones are no tokens of any provider."""

_PARTIAL_LIMIT = 16 * 1024
"""Octets of an unfinished line that are kept: more than any line a machine accepts."""


class Transcript:
    """The dialogue with one peer, as debug lines of `logger`.

    Args:
        logger: where the lines go, at level DEBUG.
        name: who the dialogue is with, printed before each line.
        protocol: whose grammar the lines have.
        ours: whether we send the commands (towards a mail server) or the replies (towards a mail client).
    """

    def __init__(self, logger: logging.Logger, name: str, protocol: MailProtocol, *, ours: bool) -> None:
        self._logger = logger
        self._name = name
        self._verb_at = 1 if protocol is MailProtocol.IMAP else 0
        self._ours = ours
        self._partial = {True: b"", False: b""}
        self._exchange = False  # credentials are under way until the server gives its final reply
        self._tag = b""  # IMAP: to what that reply answers; commands pipelined before are answered first
        self._literal = False  # IMAP: the last command line announced one, so the next is no command

    def sent(self, data: bytes) -> None:
        """Log what we sent."""
        if self._logger.isEnabledFor(logging.DEBUG):
            self._log(data, ours=True)

    def received(self, data: bytes) -> None:
        """Log what the peer sent; b"" is the end of the stream."""
        if self._logger.isEnabledFor(logging.DEBUG):
            if not data:
                self._logger.debug("%s: connection closed by the peer", self._name)
            self._log(data, ours=False)

    def _log(self, data: bytes, *, ours: bool) -> None:
        *lines, partial = (self._partial[ours] + data).split(b"\n")
        self._partial[ours] = partial[:_PARTIAL_LIMIT]
        show = self._command if ours is self._ours else self._reply
        for line in lines:
            self._logger.debug("%s %s %s", self._name, "<-" if ours else "->", show(line.rstrip(b"\r")))

    def _command(self, line: bytes) -> str:
        words = line.decode("ascii", "replace").split(" ")
        verb = words[self._verb_at].upper() if len(words) > self._verb_at else ""
        inside, self._literal = self._exchange or self._literal, bool(self._verb_at) and line.endswith(b"}")
        if inside:
            return f"[{len(line)} octets]"
        if verb in SAFE_COMMANDS:
            return _printable(" ".join(words))
        if verb in CREDENTIAL_COMMANDS:
            self._exchange = True
            self._tag = line.partition(b" ")[0] if self._verb_at else b""
            shown = [*words[: self._verb_at], verb]
            rest = words[self._verb_at + 1 :]
            if rest and rest[0].upper() in MECHANISMS and verb in {"AUTH", "AUTHENTICATE"}:
                shown.append(rest.pop(0).upper())
            return _printable(" ".join(shown)) + (" [credentials removed]" if rest else "")
        return f"[{len(line)} octets]"

    def _reply(self, line: bytes) -> str:
        if line == b"+" or line.startswith((b"+ ", b"334")):
            self._exchange = True
        elif not line.startswith(b"* ") and self._tag in (b"", line.partition(b" ")[0]):
            self._exchange = False
        return _LONG_WORD.sub(lambda word: f"[{len(word[0])} characters]", _printable(line.decode("utf-8", "replace")))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:LONGEST_LINE])
