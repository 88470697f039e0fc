"""How often may a client that shows nothing send mail? So many connections, then one in a while.

There is no failure to count where nobody is asked for a password (`emailproxy.throttle` counts those), so this counts
what works: a device sends a page now and then, and a program that misuses its network sends without end.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import trio

__all__ = ["Allowance"]

AT_ONCE: Final = 30
"""Connections in a row: a stack of documents, each sent by itself."""
EVERY: Final = 10.0
"""Seconds after which there is one more: 8,640 a day, which no device needs."""
CLIENTS: Final = 10_000
"""Clients remembered, about 1 MB; beyond that the longest unseen is forgotten."""


@dataclass(slots=True)
class _Bucket:
    left: float
    since: float


class Allowance:
    """Hands out connections, by client."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, client: str) -> bool:
        """Whether `client` may send now; that is counted."""
        now = trio.current_time()
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(AT_ONCE, now)
            if len(self._buckets) > CLIENTS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(client)
        bucket.left = min(AT_ONCE, bucket.left + (now - bucket.since) / EVERY)
        bucket.since = now
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True
