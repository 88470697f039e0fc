"""Which flags stand before a command and mean the same to all of them? Click's context object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Flags"]


@dataclass(frozen=True, slots=True)
class Flags:
    """What stands before the command."""

    config_file: Path
    cache_store: str | None
    """The store's address; None: the configuration file itself."""
