"""How long does a client wait that keeps failing to log in, and when is its password not even looked at?

Failures are counted for a client's network and account together, and for the network alone, whatever account it tries.
Both make the *answers* to failures slower, never a login that works. Only the pair can be locked: a network that went
on guessing one account is looked at seldom there. So nobody's mistakes lock anybody out elsewhere: not the owner, who
comes from another network, and not another account behind the same address. Nothing is ever deleted because of it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import trio

from emailproxy.addresses import network_of

__all__ = ["Throttle"]

FREE_FAILURES: Final = 2
"""Failures of a pair that cost nothing: a typing mistake, and the client that tries a second mechanism with the same
password."""

FREE_OF_NETWORK: Final = 20
"""Failures of a network, all its accounts together, that cost nothing: an office behind one address has some devices
with an old password."""

FIRST_DELAY: Final = 0.5
"""Seconds before the answer to the failure after that; doubles with each further one."""

LONGEST_DELAY: Final = 8.0
"""Seconds: less than any client's own patience."""

LOCK_AFTER: Final = 20
"""Failures of a pair in a row. A device with an old password that asks every minute gets here; who types does not."""

LOOK_EVERY: Final = 10.0
"""Seconds between two passwords of a locked pair that are looked at; the others are told to come later. That is 8,640 a
day, whatever number of connections, and a device behind the same address that has the right password still gets in."""

MEMORY: Final = 900.0
"""Seconds after which a client that stopped failing starts afresh."""

CLIENTS: Final = 10_000
"""Pairs remembered, and networks, about 2 MB each; beyond that the longest unseen is forgotten."""

NAME: Final = 64
"""Characters of an account's name that tell pairs apart: a name of 8 KiB must not fill the memory."""


@dataclass(slots=True)
class _Failures:
    count: int
    last: float
    looked: float
    """When a password was last looked at."""


class _Counts:
    """Failures in a row, by key."""

    def __init__(self, free: int) -> None:
        self._free = free
        self.failures: OrderedDict[tuple[str, ...], _Failures] = OrderedDict()

    def failed(self, key: tuple[str, ...]) -> float:
        """Note a failure; return the seconds to wait before answering it."""
        now = trio.current_time()
        seen = self.recent(key)
        if seen is None:
            seen = self.failures[key] = _Failures(0, now, now)
        seen.count += 1
        seen.last = now
        self.failures.move_to_end(key)
        if len(self.failures) > CLIENTS:
            self.failures.popitem(last=False)
        excess = seen.count - self._free
        if excess <= 0:
            return 0.0
        # The exponent is bounded first: a float overflows at 2 ** 1024.
        return float(min(FIRST_DELAY * 2 ** min(excess - 1, 16), LONGEST_DELAY))

    def recent(self, key: tuple[str, ...]) -> _Failures | None:
        """What is remembered of `key`."""
        seen = self.failures.get(key)
        return seen if seen is not None and trio.current_time() - seen.last <= MEMORY else None


class Throttle:
    """Counts failed logins."""

    def __init__(self) -> None:
        self._pairs = _Counts(FREE_FAILURES)
        self._networks = _Counts(FREE_OF_NETWORK)

    def admits(self, address: str, account: str) -> bool:
        """Whether this client's password for `account` is looked at now. Ask once for each attempt.

        Args:
            address: the client's.
            account: the name that it gave, whether or not there is such an account.
        """
        if not self._pairs.failures:  # to parse an address costs more than all else here
            return True
        seen = self._pairs.recent(_pair(address, account))
        if seen is None or seen.count < LOCK_AFTER:
            return True
        now = trio.current_time()
        if now - seen.looked < LOOK_EVERY:
            return False
        seen.looked = now
        return True

    def failed(self, address: str, account: str) -> float:
        """Note a failed login; return the seconds to wait before answering it."""
        return max(self._pairs.failed(_pair(address, account)), self._networks.failed((network_of(address),)))

    def succeeded(self, address: str, account: str) -> None:
        """A login worked: for this account, the client is no guesser. For others it may be one all the same."""
        if self._pairs.failures:
            self._pairs.failures.pop(_pair(address, account), None)


def _pair(address: str, account: str) -> tuple[str, str]:
    return network_of(address), account[:NAME].casefold()
