"""What is measured? A file for each mode that can be typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.modes import accounts, consent, idle, logins, mixed, relay, startup
from benchmarks.setting import Setting, Tables

__all__ = ["MODES"]

MODES: Mapping[str, Callable[[Setting], Tables]] = {
    "relay": relay.measure,
    "logins": logins.measure,
    "idle": idle.measure,
    "mixed": mixed.measure,
    "accounts": accounts.measure,
    "startup": startup.measure,
    "consent": consent.measure,
}
"""By name, in the order of ``all``."""
