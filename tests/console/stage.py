"""A scene that tests can set: real hub, store, consents and broker, and sessions that do what they are told."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from emailproxy.config.model import Account, Config, MailProtocol, Server
from emailproxy.console.hub import Hub
from emailproxy.console.scene import Scene, Sight
from emailproxy.failures import Failure
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.tokens import open_broker
from emailproxy.reporting import Reporter
from emailproxy.store.cached import CachedStore
from emailproxy.testing.memory_store import MemoryStore

SERVER = Server("IMAP-1993", MailProtocol.IMAP, 1993, "imap.example.com", 993)
ACCOUNT = Account(
    "user@example.com",
    "user@example.com",
    "authorization_code",
    "https://provider.test/token",
    client_id="an id",
    permission_url="https://provider.test/authorize",
    redirect_uri="http://localhost:8080/",
)
START = 1_700_000_000.0
"""Unix time at the beginning of every test."""


def now() -> float:
    """Unix time that follows trio's clock."""
    return START + trio.current_time()


@dataclass(eq=False)
class FakeSession:
    """A `LiveSession`."""

    id: str
    server: Server = SERVER
    client: str = "192.0.2.7:4711"
    opened: float = START
    account: str | None = None
    logged_in_at: float | None = None
    octets: tuple[int, int] = (0, 0)
    ending: str = ""
    ended: list[Failure] = field(default_factory=list)

    def end(self, failure: Failure) -> None:
        self.ended.append(failure)


class Stage:
    """What the scene shows."""

    def __init__(self, folder: Path, *accounts: Account) -> None:
        names = {account.name: account for account in accounts}
        self.config = Config(folder / "emailproxy.config", (SERVER,), names)
        self.store = MemoryStore()
        self.records = CachedStore(self.store)
        self.sessions: list[FakeSession] = []
        self.reloaded_at: float | None = None
        self.hub: Hub
        self.scene: Scene
        self.sight: Sight
        self.reporter: Reporter
        self.consents = Consents(lambda each: self.hub.asked(each), lambda each, out: self.hub.settled(each, out))
        self._numbers = itertools.count(1)

    def open_session(self) -> FakeSession:
        """A client comes."""
        session = FakeSession(f"{next(self._numbers):08x}", opened=now())
        self.sessions.append(session)
        self.hub.session_opened(session)
        return session

    def log_in(self, session: FakeSession, account: str = ACCOUNT.name) -> None:
        """It logs in."""
        session.account, session.logged_in_at = account, now()
        self.hub.login_finished(session, account, "PLAIN", None, 12.5)
        self.hub.session_logged_in(session)

    def close_session(self, session: FakeSession, ending: str = "closed") -> None:
        """It ends."""
        self.sessions.remove(session)
        session.ending = ending
        self.hub.session_closed(session)

    def configure(self, *accounts: Account) -> None:
        """A reload."""
        self.config = replace(self.config, accounts={account.name: account for account in accounts})
        self.reloaded_at = now()
        self.hub.reloaded()


@asynccontextmanager
async def staged(folder: Path, *accounts: Account, active: bool = True) -> AsyncIterator[Stage]:
    """A stage whose hub runs."""
    stage = Stage(folder, *accounts)
    async with (
        open_broker(records=stage.records, consents=stage.consents, settings=lambda: stage.config.settings) as broker,
        trio.open_nursery() as nursery,
    ):
        stage.reporter = Reporter(lambda: stage.config, stage.records, broker, stage.consents, now)
        stage.sight = Sight(
            config=lambda: stage.config,
            sessions=lambda: stage.sessions,
            status=lambda: stage.reporter.status,
            reloaded_at=lambda: stage.reloaded_at,
            records=stage.records,
            broker=broker,
            consents=stage.consents,
        )
        stage.scene = Scene(stage.sight, now, trio.current_time)
        stage.hub = Hub(stage.scene, stage.records, now)
        if active:
            await nursery.start(stage.hub.run)
        yield stage
        nursery.cancel_scope.cancel()
