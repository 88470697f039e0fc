"""How does an address get from a terminal into a telephone? As a QR code, made of half blocks."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from typing import Final, TextIO

from emailproxy.config.options import is_loopback, split_url
from emailproxy.oauth.consent import Pending

__all__ = ["qr_code", "qr_lines", "show_code"]

BORDER: Final = 2
"""Modules around the code: half of what the standard wants, which cameras do with, and it fits more terminals."""
# White on black whatever the terminal's colours are: not every camera reads an inverted code.
_COLOURS: Final = ("\x1b[97;40m", "\x1b[0m")


def qr_code(pending: Pending, stream: TextIO) -> str | None:
    """The address of `pending` as `qr_lines`."""
    redirect_uri = None if pending.question.user_code is not None else pending.account.redirect_uri or ""
    return qr_lines(pending.url, redirect_uri, stream)


def qr_lines(url: str, redirect_uri: str | None, stream: TextIO) -> str | None:
    """`url` as lines for `stream`; None if it is no terminal that can show it, or of no use.

    An address whose sign-in ends at this machine is of no use in a telephone.

    Args:
        url: what a person opens.
        redirect_uri: where the sign-in ends; None: nowhere, there is a code.
        stream: where it is shown.
    """
    redirect = split_url(redirect_uri or "")
    if redirect_uri is not None and (redirect is None or is_loopback(redirect.hostname or "localhost")):
        return None
    try:
        shown = stream.isatty() and "utf" in (stream.encoding or "").lower()
    except ValueError:  # closed
        shown = False
    if not shown:
        return None
    import segno

    code = segno.make(url, error="l", micro=False)
    if code.symbol_size(border=BORDER)[0] > shutil.get_terminal_size().columns:
        return None
    drawn = io.StringIO()
    code.terminal(drawn, border=BORDER, compact=True)
    before, after = _COLOURS
    return "".join(f"{before}{line}{after}\n" for line in drawn.getvalue().splitlines())


def show_code(pending: Pending) -> None:
    """Print a device code's address where the log goes, if that is a terminal. Once: the log repeats the words."""
    if pending.announcements > 1 or pending.question.user_code is None:
        return
    drawn = qr_code(pending, sys.stderr)
    if drawn is not None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that is gone takes nothing with it
            sys.stderr.write(drawn)
            sys.stderr.flush()
