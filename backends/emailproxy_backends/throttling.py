"""How long does a service that throttles want to be left alone? What it asks of one call, all of that kind obey."""

from __future__ import annotations

import threading
import time
from typing import Final

__all__ = ["Throttle"]

MAX_SECONDS: Final = 120.0
"""Key Vault counts by ten seconds and Secret Manager by the minute; who asks for more than two stops us no longer."""


class Throttle:
    """Waits by kind of call, since quotas differ by it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}

    def asked(self, kind: str, seconds: float) -> None:
        """The service wants no call of this kind for so long."""
        until = time.monotonic() + min(seconds, MAX_SECONDS)
        with self._lock:
            self._until[kind] = max(until, self._until.get(kind, until))

    def left(self, kind: str) -> float:
        """Seconds until the next call of this kind; 0 as a rule."""
        with self._lock:
            return max(0.0, self._until.get(kind, 0.0) - time.monotonic())
