"""Is the proxy alive, and should clients be sent to it? Two answers for two questions of an orchestrator.

*Alive* means that the event loop turns, or nobody would answer: a restart helps whoever does not. *Ready* means that a
login could work here now. Everybody may ask, so a reason is a sentence of ours and names nothing of the configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from emailproxy.config import Config, Fault, Server
from emailproxy.status import Status

__all__ = ["Check", "Health", "Looked"]


class Looked(Protocol):
    """The live objects of a running proxy that are looked at."""

    @property
    def config(self) -> Callable[[], Config]:
        """The configuration in force."""
        ...

    @property
    def faults(self) -> Callable[[], Sequence[Fault]]:
        """What was wrong with the file when it was last read."""
        ...

    @property
    def listening(self) -> Callable[[], Sequence[tuple[Server, str, int]]]:
        """What is bound: the server it stands for, address and port."""
        ...

    @property
    def draining(self) -> Callable[[], bool]:
        """Whether the proxy has been told to stop."""
        ...

    @property
    def status(self) -> Callable[[], Status]:
        """What the status file says."""
        ...


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of being ready."""

    ok: bool
    reason: str


class Health:
    """Knows whether we are ready.

    Args:
        looked: the live objects.
        now: Unix time.
    """

    def __init__(self, looked: Looked, now: Callable[[], float] = time.time) -> None:
        self._looked = looked
        self._now = now

    @property
    def checks(self) -> dict[str, Check]:
        """Every condition, as it is now."""
        return {
            "listeners": self._of_listeners(),
            "configuration": self._of_configuration(),
            "store": self._of_store(),
            "draining": self._of_draining(),
        }

    def routes(self) -> list[BaseRoute]:
        """``/livez`` and ``/readyz``."""

        async def live(request: Request) -> JSONResponse:
            del request
            uptime = round(self._now() - self._looked.status().started, 1)
            return _answer(200, {"live": True, "uptime_seconds": uptime})

        async def ready(request: Request) -> JSONResponse:
            del request
            checks = self.checks
            yes = all(check.ok for check in checks.values())
            told = {name: {"ok": check.ok, "reason": check.reason} for name, check in checks.items()}
            return _answer(200 if yes else 503, {"ready": yes, "checks": told})

        return [Route("/livez", live, methods=["GET"]), Route("/readyz", ready, methods=["GET"])]

    # --- what is looked at --------------------------------------------------------------------------------------------

    def _of_listeners(self) -> Check:
        configured = {server.section for server in self._looked.config().servers}
        bound = len({server.section for server, _, _ in self._looked.listening()} & configured)
        # One of several that cannot be bound is for an alert: to send everybody away would help nobody.
        return Check(bound > 0, f"{bound} of {len(configured)} are bound")

    def _of_draining(self) -> Check:
        draining = self._looked.draining()
        return Check(not draining, "stopping: nothing is accepted any more" if draining else "no")

    def _of_configuration(self) -> Check:
        if self._looked.faults():
            return Check(True, "the file had faults when it was last read; the one before is in force")
        return Check(True, "what is in the file is in force")

    def _of_store(self) -> Check:
        status = self._looked.status()
        if not status.ready:
            return Check(False, "the store has not answered since the start")
        if status.health.reachable is False:
            return Check(True, "the store does not answer; accounts that are in memory are served")
        return Check(True, "the store answers")


def _answer(status: int, content: dict[str, object]) -> JSONResponse:
    return JSONResponse(content, status, headers={"Cache-Control": "no-store"})
