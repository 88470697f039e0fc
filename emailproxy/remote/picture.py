"""What is so now in a running proxy, as far as its messages tell? A snapshot, and every change applied to it."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Final

from emailproxy.console.messages import (
    Account,
    AccountGone,
    Envelope,
    Listener,
    ListenerGone,
    Login,
    Notice,
    Pending,
    PendingGone,
    Proxy,
    Session,
    SessionClosed,
    Snapshot,
    Store,
    Traffic,
)

__all__ = ["Picture"]

LOGINS: Final = 50
NOTICES: Final = 100
"""As many as a snapshot has."""
SMOOTH: Final = 0.5
"""How much of a new rate counts: one second's burst shows, and does not flicker."""
STALE: Final = 3.0
"""Seconds without traffic after which a session's rate is nought: counts come once a second, if they have changed."""


class Picture:
    """Made from nothing; the first snapshot fills it."""

    def __init__(self) -> None:
        self.proxy: Proxy | None = None
        self.store: Store | None = None
        self.listeners: dict[str, Listener] = {}
        self.sessions: dict[str, Session] = {}
        self.accounts: dict[str, Account] = {}
        self.pending: dict[str, Pending] = {}
        self.logins: deque[tuple[float, Login]] = deque(maxlen=LOGINS)
        """When, and what."""
        self.notices: deque[Notice] = deque(maxlen=NOTICES)
        self._rates: dict[str, tuple[float, float, float]] = {}

    def rate(self, session: str, now: float) -> tuple[float, float]:
        """Octets a second of a session, up and down."""
        seen, up, down = self._rates.get(session, (0.0, 0.0, 0.0))
        return (up, down) if now - seen <= STALE else (0.0, 0.0)

    def apply(self, envelope: Envelope) -> None:
        """Take a message in. What is not known changes nothing."""
        match envelope.message:
            case Snapshot() as message:
                self._begin(message)
            case Proxy() as message:
                self.proxy = message
            case Store() as message:
                self.store = message
            case Listener() as message:
                self.listeners[message.id] = message
            case ListenerGone(section):
                self.listeners.pop(section, None)
            case Session() as message:
                self.sessions[message.id] = message
            case SessionClosed() as message:
                self.sessions.pop(message.id, None)
                self._rates.pop(message.id, None)
            case Traffic(moved):
                for each in moved:
                    self._move(*each, envelope.time)
            case Login() as message:
                self.logins.append((envelope.time, message))
            case Account() as message:
                self.accounts[message.name] = message
            case Pending() as message:
                self.pending[message.id] = message
            case PendingGone() as message:
                self.pending.pop(message.id, None)
            case Notice() as message:
                self.notices.append(message)
            case AccountGone(name):
                self.accounts.pop(name, None)

    def _begin(self, message: Snapshot) -> None:
        self.proxy, self.store = message.proxy, message.store
        self.listeners = {each.id: each for each in message.listeners}
        self.sessions = {each.id: each for each in message.sessions}
        self.accounts = {each.name: each for each in message.accounts}
        self.pending = {each.id: each for each in message.pending}
        self.notices = deque(message.notices, maxlen=NOTICES)
        self._rates = {}

    def _move(self, name: str, up: int, down: int, now: float) -> None:
        before = self.sessions.get(name)
        if before is None:
            return
        seen, old_up, old_down = self._rates.get(name, (now - 1.0, 0.0, 0.0))
        seconds = max(0.1, now - seen) if now - seen <= STALE else 1.0
        new_up, new_down = (up - before.up) / seconds, (down - before.down) / seconds
        self._rates[name] = (
            now,
            old_up + (new_up - old_up) * SMOOTH if name in self._rates else new_up,
            old_down + (new_down - old_down) * SMOOTH if name in self._rates else new_down,
        )
        self.sessions[name] = replace(before, up=up, down=down)
