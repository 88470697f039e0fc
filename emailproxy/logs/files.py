"""How does a log in a file look after itself? It rotates, and only its owner can read it."""

from __future__ import annotations

import logging.handlers
import os
from io import TextIOWrapper
from typing import Final

__all__ = ["PrivateFileHandler"]

FILE_SIZE: Final = 32 * 1024 * 1024
FILES: Final = 10
"""The classic proxy's rotation: 32 MB, 10 old files kept."""


class PrivateFileHandler(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner can read: it names accounts and addresses.

    Args:
        path: the file.

    Raises:
        OSError, ValueError: nothing can be written there.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, maxBytes=FILE_SIZE, backupCount=FILES, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return TextIOWrapper(os.fdopen(descriptor, "ab", buffering=0), encoding="utf-8", write_through=True)
