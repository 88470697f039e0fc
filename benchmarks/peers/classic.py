"""How is the classic proxy started? From an environment of its own, with the same configuration file as ours."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator

from benchmarks.client import Row
from benchmarks.peers.base import Peer
from benchmarks.peers.ours import run
from benchmarks.processes import Place, Upstream

__all__ = ["CLASSIC", "command"]

VARIABLE = "EMAILPROXY_CLASSIC"
MOST = 100
"""Sessions that are asked of it: a login takes it up to a second of CPU, and near 500 its ``select`` ends."""


def _program() -> str | None:
    return shutil.which(os.environ.get(VARIABLE) or "emailproxy-classic")


def _missing() -> str | None:
    if _program() is not None:
        return None
    return (
        f"the variable {VARIABLE} with the path of its command: "
        "python -m venv classic && classic/bin/pip install emailproxy"
    )


def command() -> list[str]:
    """Its command line, without the configuration."""
    return [_program() or "", "--no-gui"]


@contextlib.contextmanager
def _start(upstream: Upstream, place: Place) -> Generator[Row]:
    with run("classic", command(), upstream, place, most=MOST) as row:
        yield row


CLASSIC = Peer("classic", _missing, _start)
