"""How much is done? Sizes of a real run, of a tenth of it, and of one that only proves that everything works."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "SMOKE", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """One number for each thing that is done again and again."""

    rounds: int = 5
    mib: int = 128
    """relay: MiB each way, in each round."""
    crowd: int = 100
    """relay: sessions of the second kind of row."""
    trips: int = 1000
    """relay: small round trips in each round."""
    notices: int = 100
    """relay: notifications in IDLE in each round."""
    small: int = 500
    """relay: messages of a pipelined FETCH."""
    logins: int = 200
    """logins: in each round, of each kind."""
    together: int = 64
    """logins: how many at a time."""
    first: int = 10
    """logins: accounts that have never logged in, in each round."""
    idle: tuple[int, ...] = (100, 1000, 10_000)
    """idle: sessions."""
    idle_seconds: float = 10.0
    """idle: how long nothing happens."""
    accounts: tuple[int, ...] = (10, 1000, 100_000)
    """accounts: in the configuration."""
    records: int = 10_000
    """accounts: records in the store."""
    starts: int = 7
    """startup: rounds."""
    consents: int = 20
    """consent: authorisations one after the other."""
    waiting: int = 64
    """consent: logins that wait for one at a time."""
    refusals: int = 40
    """timing: refusals of each kind, by each protocol, at each of two proxies."""
    office: int = 2000
    """mixed: sessions in IDLE."""
    minutes: float = 3.0
    """mixed: how long our day lasts; the others' is a quarter of it."""


FULL = Sizes()
QUICK = Sizes(
    rounds=2, mib=32, crowd=20, trips=200, notices=20, small=100, logins=40, together=16, first=4,
    idle=(50, 200), idle_seconds=3.0, accounts=(10, 1000), records=1000, starts=3, consents=5, waiting=16, refusals=8,
    office=200, minutes=0.5,
)  # fmt: skip
SMOKE = Sizes(
    rounds=1, mib=8, crowd=5, trips=50, notices=5, small=20, logins=10, together=5, first=2,
    idle=(10, 50), idle_seconds=0.2, accounts=(10, 200), records=50, starts=1, consents=2, waiting=3, refusals=2,
    office=20, minutes=0.05,
)  # fmt: skip
