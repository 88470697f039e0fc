"""What is so now? The parts of a snapshot, made from the live objects of the proxy without asking anybody for anything.

Nothing here waits, and nothing asks the store, which bills every read: of an account is said what was last read of it,
or written, or what is held in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Final

from emailproxy import __version__
from emailproxy.audience import LiveSession
from emailproxy.config import Config, Fault, Server
from emailproxy.config.options import is_loopback, split_url
from emailproxy.config.pairs import certificate_ends
from emailproxy.console import messages
from emailproxy.oauth.consent import Consents, Pending
from emailproxy.oauth.tokens import TokenBroker
from emailproxy.standing import account_names, standing
from emailproxy.status import Status
from emailproxy.store.base import Stored
from emailproxy.store.cached import CachedStore
from emailproxy.store.overview import Entry

__all__ = ["Scene", "Sight", "session_message"]

SHOWN: Final = 5_000
"""Accounts that watchers are told of: a snapshot of them is a megabyte, and a look at them takes a few hundredths of a
second, in which the proxy does nothing else."""
USED_PERIOD: Final = 60.0
"""Seconds by which the last use that is shown may be old: else every login of an account would be news of it twice."""
NOT_READ: Final = "its record has not been read since the proxy started"


@dataclass(frozen=True, slots=True)
class Sight:
    """The live objects."""

    config: Callable[[], Config]
    sessions: Callable[[], Sequence[LiveSession]]
    status: Callable[[], Status]
    """What the status file says: the store's health, who waits for consent, whose tokens are not stored."""
    reloaded_at: Callable[[], float | None]
    records: CachedStore
    broker: TokenBroker
    consents: Consents
    faults: Callable[[], Sequence[Fault]] = tuple
    """What was wrong with the configuration file when it was last read."""
    listening: Callable[[], Sequence[tuple[Server, str, int]]] = tuple
    """What is bound: the server it stands for, address and port."""
    draining: Callable[[], bool] = bool
    """Whether the proxy has been told to stop."""


class Scene:
    """Makes messages of what is so now.

    Args:
        sight: the live objects.
        now: Unix time.
        clock: the clock that authorisations expire on.
    """

    def __init__(self, sight: Sight, now: Callable[[], float], clock: Callable[[], float]) -> None:
        self._sight = sight
        self._now = now
        self._clock = clock
        self._listeners: dict[str, messages.Listener] = {}
        self._failures: dict[str, str] = {}
        self._codes: dict[str, str | None] = {}
        self._used: dict[str, float] = {}
        self.draining = False
        """The proxy has been told to stop."""
        self.addresses: tuple[str, ...] = ()
        """Where the console listens."""

    # --- what is told -------------------------------------------------------------------------------------------------

    def bound(self, server: Server, addresses: Sequence[tuple[str, int]]) -> messages.Listener:
        """A server is served there now."""
        security = "STARTTLS" if server.server_starttls else "TLS"
        destination = server.mail_server
        listener = self._listeners[server.section] = messages.Listener(
            id=server.section,
            protocol=server.protocol.value,
            addresses=tuple(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses),
            tls="none" if not server.local_tls else "starttls" if server.local_starttls else "tls",
            upstream=f"{destination} ({security})" if destination is not None else "the accounts' own servers",
            certificate_ends=certificate_ends(server.local_certificate_path),
        )
        return listener

    def unbound(self, section: str) -> None:
        """It is not served any more."""
        self._listeners.pop(section, None)

    def used(self, account: str) -> None:
        """A login of `account` has worked; which the store is told much later, if at all."""
        now = self._now()
        if now - self._used.get(account, 0.0) >= USED_PERIOD:
            self._used[account] = now

    def unreadable(self, account: str, why: str) -> None:
        """The record of `account`, which was not read before, cannot be read."""
        self._failures[account] = why

    # --- what is so ---------------------------------------------------------------------------------------------------

    def proxy(self) -> messages.Proxy:
        """The process."""
        status = self._sight.status()
        return messages.Proxy(
            version=__version__,
            pid=os.getpid(),
            started=status.started,
            config=str(self._sight.config().path),
            ready=status.ready and bool(self._listeners) and not self.draining,
            draining=self.draining,
            reloaded=self._sight.reloaded_at(),
            addresses=self.addresses,
            accounts=len(self._sight.config().accounts),
        )

    def listeners(self) -> tuple[messages.Listener, ...]:
        """What is served, in the order of its binding."""
        return tuple(self._listeners.values())

    def sessions(self) -> tuple[messages.Session, ...]:
        """The live sessions, oldest first."""
        return tuple(sorted((session_message(each) for each in self._sight.sessions()), key=lambda each: each.id))

    def octets(self) -> dict[str, tuple[int, int]]:
        """The octets of all sessions that relay, by their ids."""
        return {each.id: each.octets for each in self._sight.sessions() if each.logged_in_at is not None}

    def store(self) -> messages.Store:
        """The store's health."""
        status = self._sight.status()
        health = status.health
        return messages.Store(
            address=status.store,
            ready=status.ready,
            reachable=health.reachable,
            since=health.since,
            error=health.last_error,
            reads=health.reads,
            writes=health.writes,
            failures=health.failures,
            unsaved=tuple(
                messages.Unsaved(each.account, each.since, each.attempts, each.next_try, each.error)
                for each in status.unsaved
            ),
            deferred=status.deferred,
        )

    def shown(self) -> list[str]:
        """The configured accounts, and those of catch-all templates that are known by now; sorted.

        Of more than `SHOWN`, those that somebody has to do with: that wait for a person, that cannot be read, that were
        used or read last. Whatever room is left goes to the first ones of the configuration.
        """
        config, read = self._sight.config(), self._read
        if len(config.accounts) + len(read) <= SHOWN:
            return account_names(config, (name for name, held in read.items() if held is not None))
        waiting = (each.account for each in self._sight.status().waiting)
        latest = (name for name in reversed([*read]) if name in config.accounts or read[name] is not None)
        wanted = chain(waiting, self._failures, latest, config.accounts)
        found: dict[str, None] = {}
        for name in wanted:
            if len(found) >= SHOWN:
                break
            if name not in found and config.account(name) is not None:
                found[name] = None
        return sorted(found)

    def unread(self) -> str | None:
        """The first of the configured accounts whose records nobody has tried to read since the start."""
        read, failures = self._read, self._failures
        return next((name for name in self._sight.config().accounts if name not in read and name not in failures), None)

    def accounts(self) -> dict[str, messages.Account]:
        """How the accounts stand that are shown, by name."""
        config = self._sight.config()
        waiting = {each.account: each for each in self._sight.status().waiting}
        now, where = self._now(), self._sight.records.address
        found: dict[str, messages.Account] = {}
        for name in self.shown():
            account = config.account(name)
            if account is None:
                continue
            stored = self._read.get(name)
            told = standing(account, Entry(name, stored, where=where), waiting.get(name), now)
            state, why = told.state.value, told.why
            if name not in waiting and name not in self._read:
                state, why = "unknown", self._failures.get(name, NOT_READ)
            record = stored.record if stored is not None else None
            kept = record.access_token_expiry if record is not None and record.access_token else None
            held = self._sight.broker.token_ends(name)
            found[name] = messages.Account(
                name=name,
                state=state,
                why=why,
                flow=account.oauth2_flow,
                managed=record is not None and record.sealed_by is not None,
                until=told.until,
                last_use=max((used for used in (told.last_use, self._used.get(name)) if used), default=None),
                token_ends=held if held is not None else kept,
                where=where,
            )
        return found

    def pending(self) -> tuple[messages.Pending, ...]:
        """The authorisations that wait, oldest first."""
        found = self._sight.consents.pending()
        self._codes = {each.id: self._codes[each.id] for each in found if each.id in self._codes}
        return tuple(self.waiting(each) for each in found)

    def waiting(self, pending: Pending) -> messages.Pending:
        """One authorisation that waits."""
        if pending.id not in self._codes:
            self._codes[pending.id] = _drawn(pending)
        question = pending.question
        return messages.Pending(
            id=pending.id,
            account=pending.account.name,
            began=pending.began,
            expires=round(self._now() + pending.expires_at - self._clock(), 3),
            url=pending.url,
            user_code=question.user_code,
            page=question.page,
            qr=self._codes[pending.id],
            reason=pending.reason,
            replaces=pending.replaces,
        )

    @property
    def _read(self) -> Mapping[str, Stored | None]:
        return self._sight.records.last_good


def session_message(session: LiveSession) -> messages.Session:
    """A session as it is now."""
    up, down = session.octets
    return messages.Session(
        id=session.id,
        listener=session.server.section,
        protocol=session.server.protocol.value,
        client=session.client,
        account=session.account,
        opened=session.opened,
        logged_in=session.logged_in_at,
        up=up,
        down=down,
    )


def _drawn(pending: Pending) -> str | None:
    """The address as a QR code; None where a telephone could not end the sign-in, as it ends at this machine."""
    redirect = split_url(pending.account.redirect_uri or "")
    if pending.question.user_code is None and (redirect is None or is_loopback(redirect.hostname or "localhost")):
        return None
    import segno

    path = []
    for y, row in enumerate(segno.make(pending.url, error="l", micro=False).matrix):
        x = 0
        for dark, run in groupby(row):
            width = sum(1 for _ in run)
            if dark:
                path.append(f"M{x} {y}h{width}v1h-{width}z")
            x += width
    return "".join(path)
