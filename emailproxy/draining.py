"""How does a proxy that stops get rid of its sessions without cutting anything off?

Nothing is accepted any more. Each session that has nothing under way is told goodbye after a grace, in small groups,
since all of them come back at once wherever they go next; an IMAP command, a message on its way to SMTP or a mailbox
that is being fetched gets the rest of the time. Then everybody is told, and the connections end.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, Protocol

import trio

from emailproxy.config import Settings
from emailproxy.failures import Failure, FailureKind

__all__ = ["DrainedSession", "Live", "drain"]

log = logging.getLogger("emailproxy.app")

LOGIN_DRAIN: Final = 5.0
"""Seconds that a login under way gets when the proxy stops. Longer ones wait for a person, who may take hours."""

LOOK: Final = 0.25
"""Seconds between two looks at who is resting: less than a person notices, and nothing beside a login."""

GROUP: Final = 100
"""Sessions told goodbye at one look. 400 in a second are as many logins as one process of our size takes over."""


class DrainedSession(Protocol):
    """What is asked of a session."""

    def is_resting(self) -> bool:
        """Whether the client may be sent away without cutting anything off."""
        ...

    def end(self, failure: Failure) -> None:
        """Say goodbye and end. Never waits, never raises."""
        ...


class Live(Protocol):
    """What is asked of the listeners."""

    @property
    def live(self) -> int:
        """How many sessions there are."""
        ...

    @property
    def sessions(self) -> Sequence[DrainedSession]:
        """All of them."""
        ...

    def end_sessions(self, failure: Failure, *, logged_in: bool) -> None:
        """End those that wait for a login, or with `logged_in` every one."""
        ...


async def drain(listeners: Live, settings: Settings, hurrying: trio.Event) -> None:
    """Return when every session was told to end; those that leave by themselves are not waited for here.

    Args:
        listeners: stopped already.
        settings: how long.
        hurrying: set when nobody wants to wait any longer.
    """
    if not listeners.live:
        return
    log.info(
        "stopping: sessions get up to %.0f s (now %d), %.0f s when nothing is under way; a second signal ends them "
        "at once",
        settings.drain,
        listeners.live,
        min(settings.drain_grace, settings.drain),
    )
    failure = Failure(FailureKind.SHUTTING_DOWN, "Shutting down, please connect again.", "shutdown")
    began = trio.current_time()
    with trio.move_on_after(settings.drain) as patience:
        while not hurrying.is_set():
            elapsed = trio.current_time() - began
            _end_resting(listeners, failure, by_now=elapsed >= settings.drain_grace)
            if elapsed >= LOGIN_DRAIN:
                listeners.end_sessions(failure, logged_in=False)
            with trio.move_on_after(LOOK):
                await hurrying.wait()
    log.info("closing what is left%s: sessions %d", "" if patience.cancelled_caught else " at once", listeners.live)
    listeners.end_sessions(failure, logged_in=True)


def _end_resting(listeners: Live, failure: Failure, *, by_now: bool) -> None:
    """Tell some of those who have nothing under way, if the grace is over `by_now`. From now on all are listened to."""
    resting = [session for session in listeners.sessions if session.is_resting()]
    if by_now:
        for session in resting[:GROUP]:
            session.end(failure)
