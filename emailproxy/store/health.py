"""How is a store doing? Reachable or not, since when, why not, and how often it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from emailproxy.store.base import StoreConflictError, StoreContentError, StoreError, StoreTooLargeError

__all__ = ["HealthRecorder", "StoreHealth"]

# What only a store that answered can have told.
_ANSWERS = (StoreConflictError, StoreContentError, StoreTooLargeError)


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """One moment's state. The counts only grow, and count calls of the store, not a service's requests."""

    reachable: bool | None = None
    """Whether the last call was answered; None: there was none yet. A denial counts as no answer."""
    since: float | None = None
    """Unix time of the first of those calls in a row that were all answered, or all not."""
    last_error: str | None = None
    """Why, if it is not reachable."""
    reads: int = 0
    writes: int = 0
    """Saves and deletions."""
    failures: int = 0
    """Calls of either kind that were not answered."""


class HealthRecorder:
    """Keeps the books of one store.

    Args:
        now: Unix time.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._reachable: bool | None = None
        self._since: float | None = None
        self._last_error: str | None = None
        self._reads = self._writes = self._failures = 0

    @property
    def health(self) -> StoreHealth:
        """The state now."""
        return StoreHealth(self._reachable, self._since, self._last_error, self._reads, self._writes, self._failures)

    def begun(self, *, wrote: bool) -> None:
        """A read or a write begins."""
        self._reads += not wrote
        self._writes += wrote

    def answered(self) -> None:
        """The store did what was asked, or said why not."""
        self._turn(reachable=True, error=None)

    def failed(self, error: StoreError) -> None:
        """The call ended with `error`, which may be an answer too."""
        if isinstance(error, _ANSWERS):
            self.answered()
            return
        self._failures += 1
        self._turn(reachable=False, error=str(error))

    def _turn(self, *, reachable: bool, error: str | None) -> None:
        if reachable is not self._reachable:
            self._reachable, self._since = reachable, self._now()
        self._last_error = error
