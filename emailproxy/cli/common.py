"""What do all commands share? The flags that stand before the command, and the configuration that they name."""

from __future__ import annotations

from pathlib import Path

from emailproxy.cli.exits import Exit, end
from emailproxy.cli.flags import Flags
from emailproxy.config import Config, ConfigError, load

__all__ = ["Flags", "configuration"]


def configuration(config_file: Path) -> Config:
    """The configuration, or every fault on stderr and the end."""
    try:
        return load(config_file)
    except ConfigError as error:
        end(Exit.CONFIGURATION, *error.faults)
