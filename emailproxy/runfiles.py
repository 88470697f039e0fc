"""Where does a running proxy keep the small files that are about it? Beside its configuration, or where a service may.

A service's configuration is in ``/etc/emailproxy``, which it cannot write, on purpose. ``/run/emailproxy`` belongs to
it: systemd makes that folder for the unit, and a container mounts it. The place follows from the configuration's alone,
so that a command that is typed on the same machine looks where the service wrote.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["run_file"]

ETC: Final = Path("/etc/emailproxy")
RUN: Final = Path("/run/emailproxy")


def run_file(config: Path, suffix: str, *, etc: Path = ETC, run: Path = RUN) -> Path:
    """The file of the proxy with the configuration file `config` whose name ends in `suffix`.

    Args:
        config: the configuration file.
        suffix: appended to its name.
        etc: configurations in this folder are services'.
        run: their folder, if it exists.
    """
    folder = run if config.absolute().parent == etc and run.is_dir() else config.parent
    return folder / (config.name + suffix)
