"""What is a peer? A name, whether it is there, and how it is started in front of the provider."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.client import Row
from benchmarks.processes import Place, Upstream, free_port

__all__ = ["Peer", "found", "ports"]

Start = Callable[[Upstream, Place], AbstractContextManager[Row]]


@dataclass(frozen=True)
class Peer:
    """Something that can be measured."""

    name: str
    missing: Callable[[], str | None]
    """What must be installed before it can be; None: everything is there."""
    start: Start
    """Raises CannotStartError."""


def found(*names: str) -> str | None:
    """The first of these programs that is installed; daemons are not on everybody's path."""
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    return next((program for name in names if (program := shutil.which(name, path=path))), None)


def ports(*names: str) -> dict[str, int]:
    """A free port for each of these names."""
    taken: dict[str, int] = {}
    for name in names:
        while (port := free_port()) in taken.values():
            pass
        taken[name] = port
    return taken
