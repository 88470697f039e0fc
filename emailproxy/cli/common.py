"""What do all commands share? The flags that stand before the command, and the configuration that they name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emailproxy.cli.exits import Exit, end
from emailproxy.config import Config, ConfigError, load

__all__ = ["Flags", "configuration"]


@dataclass(frozen=True, slots=True)
class Flags:
    """What stands before the command and means the same to all of them; click's context object."""

    config_file: Path
    cache_store: str | None
    """The store's address; None: the configuration file itself."""


def configuration(config_file: Path) -> Config:
    """The configuration, or every fault on stderr and the end."""
    try:
        return load(config_file)
    except ConfigError as error:
        end(Exit.CONFIGURATION, *error.faults)
