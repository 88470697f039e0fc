"""Which lines of the log become notices? Those of level warning or above, with what to do where the cause is known."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import cache
from typing import Final

from emailproxy.causes.lookup import groups
from emailproxy.causes.mail_server import unknown_refusal
from emailproxy.console.messages import Notice

__all__ = ["NoticeHandler", "notice"]

LONGEST: Final = 2000
"""Characters of a message: a provider's words and our advice have some hundred."""

_ARROW: Final = " -> "
"""What stands between a provider's words and our advice."""
_REFERENCE: Final = re.compile(r"\bref[ =]([0-9A-F]{4})\b")


class NoticeHandler(logging.Handler):
    """Hands notices to `tell`, in the thread that logs.

    Args:
        tell: must neither block, nor raise, nor log.
    """

    def __init__(self, tell: Callable[[Notice], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """A line was logged."""
        self._tell(notice(record))


def notice(record: logging.LogRecord) -> Notice:
    """The line `record` as a notice."""
    message = record.getMessage()
    reference = getattr(record, "ref", None)
    if not isinstance(reference, str):
        found = _REFERENCE.search(message)
        reference = found[1] if found is not None else None
    advice = None
    if _ARROW in message:
        advice = next((each for each in _advices() if _ARROW + each in message), None)
    return Notice(
        level=record.levelname.lower(),
        logger=record.name,
        message=message if len(message) <= LONGEST else message[: LONGEST - 3] + "...",
        ref=reference,
        advice=advice,
        at=record.created,
    )


@cache
def _advices() -> tuple[str, ...]:
    """All advice of the table, the longest first, as one may begin like another."""
    known = {cause.advice for causes in groups().values() for cause in causes}
    known |= {unknown_refusal(temporary=temporary) for temporary in (False, True)}
    return tuple(sorted(known, key=len, reverse=True))
