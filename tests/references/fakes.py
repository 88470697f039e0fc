"""A source of secrets in memory, which keeps the Protocol, and counts."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping

from emailproxy.references.base import SecretValue
from emailproxy.references.sources import Sources
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreError

CHANGED = dt.datetime(2026, 5, 4, 9, 12, tzinfo=dt.UTC)


class FakeSource:
    """Values by address. An error among them is raised."""

    blocks = False

    def __init__(self, values: Mapping[str, str | bytes | StoreError] | None = None, *, remark: str = "") -> None:
        self.values: dict[str, str | bytes | StoreError] = dict(values or {})
        self.remark = remark
        self.reads: Counter[str] = Counter()
        self.closed = 0

    def check(self, rest: str) -> None:
        if rest == "malformed":
            raise StoreAddressError("vault:malformed is malformed; write vault:NAME")

    def read(self, rest: str, *, dated: bool = False) -> SecretValue:
        self.reads[rest] += 1
        value = self.values.get(rest, StoreAddressError(f"vault:{rest}: there is no such secret; create it"))
        if isinstance(value, StoreError):
            raise value
        secret = Secret.from_octets(value) if isinstance(value, bytes) else Secret(value)
        return SecretValue(secret, CHANGED if dated else None, self.remark)

    def close(self) -> None:
        self.closed += 1


def sources(source: FakeSource) -> Sources:
    """Those of an installation that knows ``vault:`` alone."""
    return Sources({"vault": lambda: source})
