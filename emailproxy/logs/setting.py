"""Where does the log go, and how much of it? stderr, a file that rotates, syslog, the journal."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Final

from emailproxy.failures import ProxyError
from emailproxy.logs.formats import JsonFormatter, TextFormatter

__all__ = ["CONTENT_LOGGER", "LogError", "set_up", "toggle_debug"]

CONTENT_LOGGER: Final = "emailproxy.content"
"""What mail sessions carry after login; silent unless ``--debug-content`` is given."""


class LogError(ProxyError):
    """The log cannot go there; the message says why, and what to do."""


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
        # Each is loaded when the log goes there: most logs go to stderr, and whoever starts waits for this.
        match name:
            case "journald" if not address:
                from emailproxy.logs.journal import JournalHandler  # needs what Windows does not have

                return JournalHandler()
            case "syslog":
                from emailproxy.logs.syslog import SyslogHandler

                return SyslogHandler(address or None, JsonFormatter() if json_lines else logging.Formatter())
            case "stderr" if not address:
                handler: logging.Handler = logging.StreamHandler(sys.stderr)
            case _:
                from emailproxy.logs.files import PrivateFileHandler

                handler = PrivateFileHandler(target)
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
