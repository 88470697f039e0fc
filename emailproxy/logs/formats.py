"""What does a log line look like? Text for people, JSON for machines, with the same facts in both.

The names of JSON's fields are a promise (docs/logs.md): others may be added, none is renamed.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

__all__ = ["JsonFormatter", "TextFormatter", "extras"]

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def extras(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """The fields that came as ``extra``, by name."""
    return ((name, value) for name, value in vars(record).items() if name not in _STANDARD)


class TextFormatter(logging.Formatter):
    """``2026-11-22 16:40:00.123 INFO message``, local time, one line for each record but for tracebacks."""

    def __init__(self) -> None:
        super().__init__("%(levelname)-7s %(message)s")
        self._second = 0
        self._shown = ""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        second = int(record.created)
        if second != self._second:  # a busy second has hundreds of lines, and its calendar date is worth as much as one
            self._shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second
        return f"{self._shown}.{int(record.msecs):03d} {super().format(record)}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and the fields that came as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields.update(extras(record))
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False, default=str)
