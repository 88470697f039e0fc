"""Whose new tokens are in memory only because the store failed, since when, and when is it tried again?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from emailproxy.config.model import RefreshTokens
from emailproxy.oauth.opened import Opened
from emailproxy.status import UnsavedAccount
from emailproxy.store.base import Stored, StoreError

__all__ = ["Reopen", "Unsaved"]

FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 300.0
"""A store that is down for an hour is asked every five minutes; one that is back is found within five."""
LONGEST_SINGLE_USE: Final = 5.0
"""For refresh tokens of single use: when the store is back, another replica finds the used one there as soon as our
lease has run out, and must not be the first."""

Reopen = Callable[[Stored], Awaitable[Opened | None]]
"""Opens a record that somebody else wrote; None: the password at hand does not open it."""


@dataclass(slots=True)
class Unsaved:
    """One account's save that failed, and how to repeat it."""

    reopen: Reopen
    replaces: bool
    kind: RefreshTokens
    since: float
    """Unix time."""
    error: str = ""
    attempts: int = 0
    next_try: float | None = None

    def failed(self, error: StoreError) -> None:
        """Another attempt was in vain."""
        self.attempts += 1
        self.error = str(error)

    @property
    def pause(self) -> float:
        """Seconds until the next attempt."""
        longest = LONGEST_SINGLE_USE if self.kind is RefreshTokens.SINGLE_USE else LONGEST_PAUSE
        return min(FIRST_PAUSE * 2.0 ** min(self.attempts - 1, 16), longest)

    @property
    def worth_a_line(self) -> bool:
        """Whether this attempt is logged: the first, second, fourth, eighth... of those with short pauses."""
        return self.pause >= LONGEST_PAUSE or not self.attempts & (self.attempts - 1)

    def told(self, account: str) -> UnsavedAccount:
        """For the status file."""
        return UnsavedAccount(account, self.since, self.attempts, self.next_try, self.error)
