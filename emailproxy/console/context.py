"""What do the console's modules get of the running proxy? What a request may read or ask for, in one value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from emailproxy.audience import LiveSession
from emailproxy.config import Config, Fault
from emailproxy.console.messages import Message, Snapshot
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.tokens import TokenBroker
from emailproxy.store.cached import CachedStore

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

__all__ = ["Context"]


@dataclass(frozen=True, slots=True)
class Context:
    """The running proxy, as far as the console reaches."""

    config: Callable[[], Config]
    """The configuration in force."""
    sessions: Callable[[], Sequence[LiveSession]]
    """The mail sessions that are alive now."""
    reload: Callable[[], Awaitable[tuple[Fault, ...]]]
    """Reads the configuration again; the faults, if it did not become the one in force."""
    stop: Callable[[], None]
    """Begins to drain; called again: ends at once."""
    broker: TokenBroker
    consents: Consents
    records: CachedStore
    snapshot: Callable[[], Snapshot]
    """Everything that is so now."""
    publish: Callable[[Message], None]
    """Says a message of one's own (a doctor's step) to everybody who watches. Never waits."""
    tasks: trio.Nursery
    """Where what goes on behind an answer runs: an authorisation, an examination. Ends with the proxy."""
    operations: Callable[[], Sequence[BaseRoute]] = tuple
    """Answers what is open to everybody: health and metrics."""
