"""How long does an address wait that keeps failing to log in? Longer each time, and never for ever."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

import trio

__all__ = ["Throttle"]

FREE_FAILURES = 2
"""Failures that cost nothing: a typing mistake, and the client that tries a second mechanism with the same password."""

FIRST_DELAY = 0.5
"""Seconds before the answer to the failure after that; doubles with each further one."""

LONGEST_DELAY = 8.0
"""Seconds: less than any client's own patience. It slows each attempt; how many run at once is for the connection
limits to say."""

MEMORY = 900.0
"""Seconds after which an address that stopped failing starts afresh."""

ADDRESSES = 10_000
"""Addresses remembered, about 2 MB; beyond that the longest unseen is forgotten."""


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class Throttle:
    """Counts failed logins by address (an IPv6 client by its /64, which is what one customer has)."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def failed(self, address: str) -> float:
        """Note a failed login; return the seconds to wait before answering it."""
        key, now = _network(address), trio.current_time()
        seen = self._failures.get(key)
        if seen is None or now - seen.last > MEMORY:
            seen = self._failures[key] = _Failures(0, now)
        seen.count += 1
        seen.last = now
        self._failures.move_to_end(key)
        if len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)
        excess = seen.count - FREE_FAILURES
        if excess <= 0:
            return 0.0
        # The exponent is bounded first: a float overflows at 2 ** 1024.
        return float(min(FIRST_DELAY * 2 ** min(excess - 1, 16), LONGEST_DELAY))

    def succeeded(self, address: str) -> None:
        """A login worked: the address is no guesser."""
        if self._failures:  # to parse an address costs more than all else here
            self._failures.pop(_network(address), None)


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
