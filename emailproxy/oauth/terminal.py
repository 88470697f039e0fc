"""How does an address that was pasted into the terminal complete an authorisation (``--external-auth``)?"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator
from typing import Final, TextIO

import trio

from emailproxy.oauth.consent import MAX_REDIRECT, Consents, Outcome, OutcomeKind
from emailproxy.oauth.foreign import foreign

__all__ = ["lines_of", "read_pasted_redirects"]

log = logging.getLogger("emailproxy.consent")

_CHUNK: Final = 4096

BACKGROUND_SECONDS: Final = 1.0
"""How soon a process that was brought to the foreground notices."""


async def read_pasted_redirects(
    consents: Consents, *, source: TextIO | None = None, sink: TextIO | None = None
) -> None:
    """Hand each pasted line to `consents` and print what came of it, until the input ends.

    A line that changes a stored mail password must be pasted twice: the first answer says what would change.

    Args:
        consents: where authorisations wait.
        source: lines of text with a file descriptor; standard input by default.
        sink: where answers are printed; standard error by default, as standard output may be a log.
    """
    source, sink = source or sys.stdin, sink or sys.stderr
    try:
        descriptor = source.fileno()
    except (OSError, ValueError, AttributeError):  # a service may have no standard input at all
        log.debug("no terminal to paste into")
        return
    if os.isatty(descriptor) and not _in_background(descriptor):
        log.info("the address that a sign-in ends at can be pasted into this terminal")
    asked: str | None = None
    async for line in lines_of(descriptor):
        text = line.strip()
        if not text:
            continue
        outcome = await consents.complete(text, confirmed=text == asked)
        asked = text if outcome.kind is OutcomeKind.UNCONFIRMED else None
        # A terminal that is gone takes nothing with it: what became of the answer is in the log as well.
        with contextlib.suppress(OSError, ValueError):
            sink.write(_sentence(outcome) + "\n")
            sink.flush()


async def lines_of(descriptor: int) -> AsyncIterator[str]:
    """Lines of the descriptor, read when there is something to read. What is too long for an address is dropped."""
    buffer = b""
    dropping = False
    while chunk := await _read(descriptor):
        *complete, rest = (buffer + chunk).split(b"\n")
        for line in complete:
            if not dropping:
                yield line.decode("utf-8", "replace")
            dropping = False
        if len(rest) > MAX_REDIRECT:
            rest, dropping = b"", True
        buffer = rest
    if buffer and not dropping:
        yield buffer.decode("utf-8", "replace")


async def _read(descriptor: int) -> bytes:
    """Some octets, b"" at the end. Readiness is awaited, so a cancelled wait takes nothing from the terminal."""
    try:
        await trio.lowlevel.wait_readable(descriptor)
        while _in_background(descriptor):
            # The shell's input, not ours: to read it would stop the whole process (SIGTTIN).
            await trio.sleep(BACKGROUND_SECONDS)
            await trio.lowlevel.wait_readable(descriptor)
    except OSError:
        # Not pollable: a regular file, /dev/null, or Windows. A thread waits instead, and is left behind at the end.
        pass
    else:
        return _taken(descriptor)
    return await trio.to_thread.run_sync(_taken, descriptor, abandon_on_cancel=True)


def _taken(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except OSError as error:  # a terminal that hung up (EIO), a folder: an end like another
        log.debug("standard input cannot be read: %s", error.strerror)
        return b""


def _in_background(descriptor: int) -> bool:
    """Whether this is a terminal whose input belongs to another job of the shell."""
    if not os.isatty(descriptor) or not hasattr(os, "tcgetpgrp"):
        return False
    try:
        return os.tcgetpgrp(descriptor) != os.getpgrp()
    except OSError:  # not the terminal that controls this process: nobody's job runs there
        return False


def _sentence(outcome: Outcome) -> str:
    account = f"{foreign(outcome.account)}: " if outcome.account else ""
    reference = f" (ref {outcome.reference})" if outcome.reference else ""
    if outcome.kind is OutcomeKind.UNCONFIRMED:
        return (
            f"{account}a login from {outcome.client or 'an unknown address'} used another password than the stored "
            "one. If the password was changed on purpose, paste the same address again; otherwise do nothing."
        )
    return f"{account}{outcome.message}{reference}"
