"""How can a command end? The exit statuses, and the one way to them with a line for the person who typed it."""

from __future__ import annotations

import enum
import sys
from typing import NoReturn

import click

__all__ = ["Exit", "end"]


class Exit(enum.IntEnum):
    """Every way to end has a number."""

    STOPPED = 0
    """Asked to stop, or the command did what it says."""
    FAILED = 1
    """A mistake in emailproxy, a store that cannot be reached, or a step of what was asked failed."""
    CONFIGURATION = 2
    """Faults in the configuration file, the flags or the store's address; nothing was opened."""
    NOTHING_TO_SERVE = 3
    """Not one listener could be opened."""
    NOT_RUNNING = 4
    """No proxy answers: none runs with this configuration, or it offers no console."""
    REFUSED = 5
    """The proxy's console does not accept the token."""


def end(status: Exit, *sentences: object) -> NoReturn:
    """Say each of `sentences` on stderr, in a line of its own, and exit."""
    for sentence in sentences:
        click.echo(f"emailproxy: {sentence}", err=True)
    sys.exit(status)
