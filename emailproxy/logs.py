"""Where do log lines go, and what do they look like? Text for people, JSON for machines, a file that rotates."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
import time
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Final

__all__ = ["CONTENT_LOGGER", "set_up", "toggle_debug"]

CONTENT_LOGGER: Final = "emailproxy.content"
"""What mail sessions carry after login; silent unless ``--debug-content`` is given."""

FILE_SIZE = 32 * 1024 * 1024
FILES = 10
"""The classic proxy's rotation: 32 MB, 10 old files kept."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _TextFormatter(logging.Formatter):
    """``2026-11-22 16:40:00.123 INFO message``, local time, one line for each record but for tracebacks."""

    def __init__(self) -> None:
        super().__init__("%(levelname)-7s %(message)s")
        self._second = 0
        self._shown = ""

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:  # a busy second has hundreds of lines, and its calendar date is worth as much as one
            self._shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second
        return f"{self._shown}.{int(record.msecs):03d} {super().format(record)}"


class _JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and the fields that came as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False, default=str)


class _PrivateFileHandler(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner can read: it names accounts and addresses."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return TextIOWrapper(os.fdopen(descriptor, "ab", buffering=0), encoding="utf-8", write_through=True)


def set_up(*, level: str, json_lines: bool, file: Path | None, content: bool) -> None:
    """Send the log of `emailproxy` to stderr, or to `file`.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        json_lines: JSON instead of text.
        file: a path instead of stderr.
        content: log what sessions carry after login too (with level debug).

    Raises:
        OSError: the file cannot be written.
    """
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        handler = _PrivateFileHandler(file, maxBytes=FILE_SIZE, backupCount=FILES, encoding="utf-8")
    handler.setFormatter(_JsonFormatter() if json_lines else _TextFormatter())
    # No formatter of ours shows these (nor the line of code), and to look them up costs a third of a line.
    logging._srcfile = None  # noqa: SLF001 - "Optimization" in logging's documentation
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = logging.logAsyncioTasks = False  # type: ignore[attr-defined]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # libraries speak only when something is wrong
    logging.getLogger("emailproxy").setLevel(level.upper())
    logging.getLogger(CONTENT_LOGGER).setLevel(logging.DEBUG if content else logging.WARNING)


def toggle_debug(level: str) -> bool:
    """Switch between `level` and debug (both ways when `level` is debug: info then); return whether debug is on now."""
    logger = logging.getLogger("emailproxy")
    if logger.level != logging.DEBUG:
        logger.setLevel(logging.DEBUG)
        return True
    logger.setLevel(logging.INFO if level == "debug" else level.upper())
    return False
