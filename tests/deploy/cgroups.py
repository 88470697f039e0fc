"""Where do the processes of a machine under test belong? Into a control group of its own, which goes with it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

__all__ = ["own_group"]


@contextlib.contextmanager
def own_group(name: str) -> Generator[list[Path]]:
    """A new group in each hierarchy that systemd uses: its folders; what is written to `cgroup.procs` there is in it.

    Empty groups, those below it included, are removed at the end.
    """
    folders = [mount / name for mount in _hierarchies()]
    for folder in folders:
        folder.mkdir()
    try:
        yield folders
    finally:
        for folder in folders:
            for place, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):
                    Path(place).rmdir()


def _hierarchies() -> list[Path]:
    """Where the unified hierarchy is mounted, and systemd's own of the old kind if there is one."""
    found = []
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, options = line.split()[:4]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(place))
    return found
