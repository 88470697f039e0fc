"""Where does the log go, and how much of it? stderr, a file that rotates, syslog, the journal."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from emailproxy.failures import ProxyError
from emailproxy.logs.formats import JsonFormatter, TextFormatter
from emailproxy.logs.syslog import SyslogHandler

__all__ = ["CONTENT_LOGGER", "LogError", "set_up", "toggle_debug"]

CONTENT_LOGGER: Final = "emailproxy.content"
"""What mail sessions carry after login; silent unless ``--debug-content`` is given."""

FILE_SIZE = 32 * 1024 * 1024
FILES = 10
"""The classic proxy's rotation: 32 MB, 10 old files kept."""


class LogError(ProxyError):
    """The log cannot go there; the message says why, and what to do."""


class _PrivateFileHandler(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner can read: it names accounts and addresses."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return TextIOWrapper(os.fdopen(descriptor, "ab", buffering=0), encoding="utf-8", write_through=True)


def set_up(*, level: str, json_lines: bool, target: str, content: bool) -> None:
    """Send the log of `emailproxy` to `target`.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        json_lines: JSON instead of text. The journal has fields of its own, and gets those whatever this says.
        target: ``stderr``, ``journald``, ``syslog``, ``syslog:ADDRESS``, or a file's path.
        content: log what sessions carry after login too (with level debug).

    Raises:
        LogError: nothing can be written there.
    """
    handler = _handler(target, json_lines=json_lines)
    # No formatter of ours shows these (nor the line of code), and to look them up costs a third of a line.
    logging._srcfile = None  # noqa: SLF001 - "Optimization" in logging's documentation
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = logging.logAsyncioTasks = False  # type: ignore[attr-defined]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # libraries speak only when something is wrong
    logging.getLogger("emailproxy").setLevel(level.upper())
    logging.getLogger(CONTENT_LOGGER).setLevel(logging.DEBUG if content else logging.WARNING)


def _handler(target: str, *, json_lines: bool) -> logging.Handler:
    formatter = JsonFormatter() if json_lines else TextFormatter()
    name, _, address = target.partition(":")
    try:
        match name:
            case "journald" if not address:
                from emailproxy.logs.journal import JournalHandler  # needs what Windows does not have

                return JournalHandler()
            case "syslog":
                return SyslogHandler(address or None, JsonFormatter() if json_lines else logging.Formatter())
            case "stderr" if not address:
                handler: logging.Handler = logging.StreamHandler(sys.stderr)
            case _:
                handler = _PrivateFileHandler(target, maxBytes=FILE_SIZE, backupCount=FILES, encoding="utf-8")
    except (OSError, ValueError) as error:
        remedy = {
            "journald": "is systemd's journal running here? Else log to stderr",
            "syslog": "write syslog:HOST:PORT, or syslog:/path/of/its/socket",
        }.get(name, "choose a path that can be written")
        why = getattr(error, "strerror", None) or str(error)
        raise LogError(f"{Path(target) if name not in ('journald', 'syslog') else target}: {why}; {remedy}") from None
    handler.setFormatter(formatter)
    return handler


def toggle_debug(level: str) -> bool:
    """Switch between `level` and debug (both ways when `level` is debug: info then); return whether debug is on now."""
    logger = logging.getLogger("emailproxy")
    if logger.level != logging.DEBUG:
        logger.setLevel(logging.DEBUG)
        return True
    logger.setLevel(logging.INFO if level == "debug" else level.upper())
    return False
