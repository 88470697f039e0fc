"""What does the proxy say while it is demonstrated? Its log, kept aside, and the consents that it asks for."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Generator
from typing import Final

import trio

__all__ = ["LogWatch", "watch_log"]

LINES: Final = 20
"""Lines kept, to be shown if a step fails."""

ANNOUNCEMENTS: Final = 16
"""Announced addresses that may wait to be read; more than there are accounts here."""


class LogWatch(logging.Handler):
    """Keeps the last lines, and hands out the addresses that a person should open."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self.lines: deque[str] = deque(maxlen=LINES)
        self._sender, self._receiver = trio.open_memory_channel[str | None](ANNOUNCEMENTS)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record's line; called by logging."""
        self.lines.append(self.format(record))
        url = getattr(record, "url", None)
        if record.name == "emailproxy.consent" and isinstance(url, str):
            self._put(url)

    async def announced(self) -> str | None:
        """The next address that the proxy asks a person to open, or None after `give_up`."""
        return await self._receiver.receive()

    def give_up(self) -> None:
        """Wake up who waits: there will be no address."""
        self._put(None)

    def _put(self, url: str | None) -> None:
        # An address that nobody reads is in the kept lines all the same.
        with contextlib.suppress(trio.WouldBlock):
            self._sender.send_nowait(url)


@contextlib.contextmanager
def watch_log() -> Generator[LogWatch]:
    """Take the log of `emailproxy` for the length of a block; nothing of it is printed."""
    logger = logging.getLogger("emailproxy")
    watch = LogWatch()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(watch)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield watch
    finally:
        logger.removeHandler(watch)
        logger.setLevel(level)
        logger.propagate = propagate
