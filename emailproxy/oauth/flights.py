"""How do ten logins cause one token request? They join one flight, which outlives each of them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable

import trio

from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.oauth.opened import AccessToken

__all__ = ["Flight", "Flights"]

log = logging.getLogger("emailproxy.oauth")


class Flight:
    """One piece of work under way, and its result for everybody who waits."""

    def __init__(self) -> None:
        self._landed = trio.Event()
        self._token: AccessToken | None = None
        self._error: Exception | None = None

    async def run(self, work: Callable[[], Awaitable[AccessToken]]) -> None:
        """Do the work. Its failure belongs to those who wait, not to the nursery that it runs in.

        This is the third fence of the program, beside the listener's and the command line's. It cannot be left to the
        listener's: a flight outlives the logins that wait for it, so it runs in the broker's nursery, whose end is the
        end of all sessions. A mistake in one account's flight is caught here and raised again in each login that
        waits, where the listener's fence deals with it; it is logged here, since nobody may be waiting any more.
        ``Exception`` leaves out `trio.Cancelled`, so the end of the broker still is one.
        """
        try:
            self._token = await work()
        except LoginFailed as error:
            self._error = error
        except Exception as error:
            log.exception("a token could not be obtained because of a fault in the proxy")
            self._error = error
        finally:
            self._landed.set()

    async def wait(self) -> AccessToken:
        """The result. Cancelling the wait does not touch the flight.

        Raises:
            LoginFailed: there is no token.
        """
        await self._landed.wait()
        if isinstance(self._error, LoginFailed):
            # A new exception for each: one shared by ten tasks would collect ten tracebacks.
            raise LoginFailed(self._error.failure)
        if self._error is not None:
            raise RuntimeError("no token because of a fault in the proxy") from self._error
        if self._token is None:
            raise LoginFailed(
                Failure(FailureKind.SHUTTING_DOWN, "Shutting down, please connect again", "the token broker was closed")
            )
        return self._token


class Flights:
    """All flights under way, one per key.

    Args:
        nursery: where they run, so that a login that gives up does not end them.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._flights: dict[Hashable, Flight] = {}

    def under_way(self, key: Hashable) -> bool:
        """Whether there is a flight to join."""
        return key in self._flights

    def join(self, key: Hashable, work: Callable[[], Awaitable[AccessToken]]) -> Flight:
        """The flight of `key`; it starts with `work` if there is none."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight()
            self._nursery.start_soon(self._run, key, flight, work)
        return flight

    async def _run(self, key: Hashable, flight: Flight, work: Callable[[], Awaitable[AccessToken]]) -> None:
        try:
            await flight.run(work)
        finally:
            del self._flights[key]
