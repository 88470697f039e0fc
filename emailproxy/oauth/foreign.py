"""How do words from outside get into a log or onto a page? Printable, on one line, and cut."""

from __future__ import annotations

from typing import Final

__all__ = ["foreign"]

MAX_LENGTH: Final = 512
"""Characters kept: Entra's longest descriptions (trace id, correlation id and time included) have about 450."""


def foreign(text: object, limit: int = MAX_LENGTH) -> str:
    """`text` from a provider, a browser or a mail client, made fit for one line of a log.

    CR, LF, other control characters, bidirectional overrides and lone surrogates become spaces or question marks, so
    nobody can forge a second log line or repaint the first.
    """
    kept = str(text)[: limit + 1]
    clean = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in kept)
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
