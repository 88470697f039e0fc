"""What does a service manager hear of us? *Ready*, *reloading*, *stopping*, and that the event loop turns.

The protocol of sd_notify(3): datagrams of ``NAME=value`` lines to the socket that the environment names. Without that
variable nothing is sent and nothing runs. The variables are taken out of the environment, so that no command that the
proxy starts can speak in its name.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final

import trio

__all__ = ["ServiceManager"]

log = logging.getLogger("emailproxy.app")

MARGIN: Final = 10.0
"""Seconds beyond the drain in which the last records are written and the process ends, before it is killed."""


class ServiceManager:
    """systemd, or whoever speaks its protocol; or nobody.

    Args:
        address: the socket's path, with ``@`` for an abstract one; None: nobody listens.
        watchdog: seconds within which it must hear that we are alive; None: it does not ask.
    """

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        self._address = "\0" + address[1:] if address is not None and address.startswith("@") else address
        self.watchdog = watchdog

    @classmethod
    def of_environment(cls, environment: MutableMapping[str, str] | None = None) -> ServiceManager:
        """The one that started us, if it wants to hear; takes its variables out of `environment`."""
        variables = os.environ if environment is None else environment
        address = variables.pop("NOTIFY_SOCKET", None)
        interval, process = variables.pop("WATCHDOG_USEC", ""), variables.pop("WATCHDOG_PID", "")
        if address is not None and not address.startswith(("/", "@")):
            log.warning("NOTIFY_SOCKET is neither a path nor an abstract socket; the service manager hears nothing")
            address = None
        asked = interval.isdecimal() and int(interval) > 0 and process in {"", str(os.getpid())}
        return cls(address, int(interval) / 1e6 if address is not None and asked else None)

    def ready(self, status: str) -> None:
        """We serve, for the first time or as a reload has changed it."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is read again; `ready` says that this is over, whatever came of it."""
        if self._address is None:  # nor is there such a clock everywhere
            return
        # The time is how the manager knows that this answers its own signal (Type=notify-reload).
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str, within: float) -> None:
        """We end `within` these seconds, which the manager is asked to wait."""
        self._tell("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int((within + MARGIN) * 1e6)}")

    async def keep_watch(self) -> None:
        """Say that the event loop turns, as often as the manager wants to hear it, until cancelled."""
        if self.watchdog is None:
            return
        while True:
            self._tell("WATCHDOG=1")
            await trio.sleep(self.watchdog / 2)  # as sd_watchdog_enabled(3) recommends

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        message = "\n".join(line.replace("\n", " ") for line in lines).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto(message, self._address)
        except OSError as error:
            log.debug("the service manager does not hear: %s", error)
