"""How long will it take? Seconds of each mode, from what its pieces took once, corrected by this machine's pace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.sizes import Sizes

__all__ = ["Forecast", "seconds"]

# What a piece takes in seconds of wall time on two processors of 2.5 GHz, one of which client and provider share.
START = 6.0
"""Starting the provider and every row."""
GIB = {"classic": 14.0, "dovecot": 8.0, "direct": 5.0}
"""Down and up, one GiB each; the others:"""
GIB_OTHERS = 5.5
LOGIN = {"classic": 0.6, "dovecot": 0.004}
LOGIN_OTHERS = 0.0035
TRIP = {"classic": 0.001}
TRIP_OTHERS = 0.0002
SLOW = 2
"""Logins in a round that are asked of the classic proxy."""
KEY = 0.25
"""Deriving a key from a password, once."""
PROXY = 0.7
"""From the start of a proxy until it listens."""
RECORD = 0.00004
"""Reading the configuration of an account."""
STARTED = 1.0
"""Starting and stopping something, in the mode that measures it."""


def _pairs(rows: Sequence[str], each: Callable[[str], float]) -> float:
    """One round: the first row beside every other."""
    first, others = rows[0], rows[1:]
    return sum(each(first) + each(name) for name in others) if others else each(first)


def _fast(rows: Sequence[str]) -> list[str]:
    return [name for name in rows if name != "classic"]


def _relay(sizes: Sizes, rows: Sequence[str]) -> float:
    gib = sizes.mib / 1024

    def bulk(name: str) -> float:
        return gib * GIB.get(name, GIB_OTHERS) + 0.25

    def small(name: str) -> float:
        trip = TRIP.get(name, TRIP_OTHERS)
        return sizes.trips * (trip + TRIP_OTHERS) + sizes.notices * 6 * trip + sizes.small * 4 * trip + 0.3

    crowd = _pairs(_fast(rows), lambda name: bulk(name) + sizes.crowd * LOGIN_OTHERS)
    return sizes.rounds * (bulk("direct") + 2.5 * _pairs(rows, bulk) + crowd + _pairs(rows, small))


def _logins(sizes: Sizes, rows: Sequence[str]) -> float:
    def once(name: str) -> float:
        return (SLOW if name == "classic" else sizes.logins) * LOGIN.get(name, LOGIN_OTHERS) + 0.1

    def both(name: str) -> float:
        return once(name) + (0 if name == "classic" else sizes.together * LOGIN_OTHERS + 0.2)

    repeated = 3 * _pairs(rows, both) + _pairs(_fast(rows), once)
    renewed = sizes.logins * 3 * LOGIN_OTHERS + (SLOW * 2 if "classic" in rows else 0)
    first = min(sizes.rounds, 3) * (sizes.first * KEY + (SLOW * 2 * KEY if "classic" in rows else 0))
    return sizes.rounds * (sizes.logins * LOGIN_OTHERS + repeated + renewed) + first + START


def _idle(sizes: Sizes, rows: Sequence[str]) -> float:
    taken = 0.0
    for size in sizes.idle:
        for name in rows:
            if name != "classic" or size <= 100:
                taken += size * (1.5 * LOGIN.get(name, LOGIN_OTHERS)) + sizes.idle_seconds + 4
    return taken


def _mixed(sizes: Sizes, rows: Sequence[str]) -> float:
    names = rows if sizes.office <= 100 else _fast(rows)
    taken = sum(sizes.office * 1.5 * LOGIN.get(name, LOGIN_OTHERS) + 4 for name in names)
    return taken + sizes.minutes * 60 * (1 + (len(names) - 1) / 4)


def _accounts(sizes: Sizes, _rows: Sequence[str]) -> float:
    total = sum(sizes.accounts)
    started = total * RECORD + PROXY * len(sizes.accounts)
    logins = sizes.rounds * 2 * (len(sizes.accounts) - 1) * sizes.logins * LOGIN_OTHERS
    reloads = sizes.rounds * (total + (len(sizes.accounts) - 2) * sizes.accounts[0]) * RECORD
    records = 4 * PROXY + sizes.rounds * 2 * (sizes.logins * LOGIN_OTHERS + sizes.logins / 10 * 0.08)
    return started + logins + reloads + records


def _startup(sizes: Sizes, rows: Sequence[str]) -> float:
    return sizes.starts * (2 * (4 + len(rows)) * STARTED + PROXY) + 15


def _consent(sizes: Sizes, _rows: Sequence[str]) -> float:
    return PROXY + START / 2 + min(sizes.rounds, 3) * (sizes.consents * 2 * KEY + sizes.waiting * KEY + 5)


MODELS: Mapping[str, Callable[[Sizes, Sequence[str]], float]] = {
    "relay": _relay,
    "logins": _logins,
    "idle": _idle,
    "mixed": _mixed,
    "accounts": _accounts,
    "startup": _startup,
    "consent": _consent,
}


def seconds(mode: str, sizes: Sizes, rows: Sequence[str]) -> float:
    """What a mode takes with these rows, the first of which is ours."""
    return MODELS[mode](sizes, rows or ["emailproxy"])


class Forecast:
    """How long the modes that are left will take, when those that are over have said how fast this machine is."""

    def __init__(self, modes: Sequence[str], sizes: Sizes, rows: Sequence[str]) -> None:
        self._expected = {mode: seconds(mode, sizes, rows) for mode in modes}
        self._taken: dict[str, float] = {}

    def took(self, mode: str, seconds: float) -> None:
        """A mode is over."""
        self._taken[mode] = seconds

    @property
    def left(self) -> float:
        """Seconds."""
        done = sum(self._expected[mode] for mode in self._taken)
        pace = sum(self._taken.values()) / done if done else 1.0
        return pace * sum(expected for mode, expected in self._expected.items() if mode not in self._taken)
