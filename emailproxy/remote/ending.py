"""When has a proxy that was told to stop really ended? When nobody answers any more."""

from __future__ import annotations

from typing import Final

import trio

from emailproxy.remote.calls import snapshot
from emailproxy.remote.errors import LostError, NotRunningError, RefusedError
from emailproxy.remote.place import ConsolePlace

__all__ = ["await_end"]

PAUSE: Final = 0.25
"""Seconds between two looks. Nothing tells the end of a process that runs on another machine."""


async def await_end(place: ConsolePlace) -> None:
    """Return when the proxy that answers there is gone; one that is started in its place counts as gone, too.

    Raises:
        RemoteError: it cannot be asked.
    """
    pid: int | None = None
    while True:
        try:
            proxy = (await snapshot(place)).proxy
        except (NotRunningError, RefusedError):
            return
        except LostError:  # it is ending at this moment
            await trio.sleep(PAUSE)
            continue
        if pid not in (None, proxy.pid):
            return
        pid = proxy.pid
        await trio.sleep(PAUSE)
