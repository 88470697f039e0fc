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

from emailproxy.audience import Nobody
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
    def faults(self) -> Callable[[], tuple[Fault, ...]]:
        """What was wrong with the file when it was last read."""
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


class Health(Nobody):
    """An `emailproxy.audience.Audience` that knows whether we are ready.

    Args:
        looked: the live objects.
        now: Unix time.
    """

    def __init__(self, looked: Looked, now: Callable[[], float] = time.time) -> None:
        self._looked = looked
        self._now = now
        self._bound: set[str] = set()
        self._draining = False

    @property
    def checks(self) -> dict[str, Check]:
        """Every condition, as it is now."""
        return {
            "listeners": self._of_listeners(),
            "configuration": self._of_configuration(),
            "store": self._of_store(),
            "draining": Check(not self._draining, "stopping: nothing is accepted any more" if self._draining else "no"),
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

    # --- what is told -------------------------------------------------------------------------------------------------

    def listener_bound(self, server: Server, addresses: Sequence[tuple[str, int]]) -> None:
        """See `Audience`."""
        del addresses
        self._bound.add(server.section)

    def listener_closed(self, section: str) -> None:
        """See `Audience`."""
        self._bound.discard(section)

    def draining(self) -> None:
        """See `Audience`."""
        self._draining = True

    # --- what is looked at --------------------------------------------------------------------------------------------

    def _of_listeners(self) -> Check:
        configured = {server.section for server in self._looked.config().servers}
        bound = len(self._bound & configured)
        # One of several that cannot be bound is for an alert: to send everybody away would help nobody.
        return Check(bound > 0, f"{bound} of {len(configured)} are bound")

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
