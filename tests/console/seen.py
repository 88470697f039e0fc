"""What is looked at of a running proxy, made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emailproxy.audience import LiveSession
from emailproxy.config import Account, Config, Fault, MailProtocol, Server
from emailproxy.failures import Failure
from emailproxy.oauth.consent import Pending
from emailproxy.oauth.counting import Holding, TokenRequests
from emailproxy.status import Status
from emailproxy.store.health import StoreHealth

STARTED = 1_000_000.0
ACCOUNTS = {
    name: Account(name, name, "client_credentials", "https://example.com/token")
    for name in ("new@example.com", "old@example.com", "app@example.com")
}
SERVERS = tuple(
    Server(f"{protocol.value}-{port}", protocol, port, "mail.example.com", 993)
    for protocol, port in ((MailProtocol.IMAP, 1993), (MailProtocol.POP, 1995), (MailProtocol.SMTP, 1587))
)


@dataclass
class FakeSession:
    server: Server = SERVERS[0]
    id: str = "00000001"
    client: str = "192.0.2.1:4711"
    opened: float = STARTED
    account: str | None = None
    logged_in_at: float | None = None
    octets: tuple[int, int] = (0, 0)
    ending: str = ""

    def end(self, failure: Failure) -> None:
        raise AssertionError("nobody ends a session here")


@dataclass
class FakeBroker:
    requests: TokenRequests = field(default_factory=TokenRequests)
    held: list[Holding] = field(default_factory=list)
    managed: dict[str, bool] = field(default_factory=dict)

    def holdings(self) -> list[Holding]:
        return self.held

    def is_managed(self, account: str) -> bool | None:
        return self.managed.get(account)


class FakeConsents:
    def __init__(self) -> None:
        self.waiting: list[Pending] = []

    def pending(self) -> Sequence[Pending]:
        return self.waiting


class FakeSeen:
    """A proxy at which one can look."""

    def __init__(self) -> None:
        self.in_force = Config(Path("emailproxy.config"), SERVERS, ACCOUNTS)
        self.wrong: tuple[Fault, ...] = ()
        self.bound = list(SERVERS)
        self.stopping = False
        self.live: list[FakeSession] = []
        self.told = Status(1, STARTED, "file:emailproxy.config", ready=True, health=StoreHealth())
        self.reloaded: float | None = None
        self.broker = FakeBroker()
        self.consents = FakeConsents()

    @property
    def config(self) -> Callable[[], Config]:
        return lambda: self.in_force

    @property
    def faults(self) -> Callable[[], tuple[Fault, ...]]:
        return lambda: self.wrong

    @property
    def listening(self) -> Callable[[], Sequence[tuple[Server, str, int]]]:
        return lambda: [(server, "127.0.0.1", server.local_port) for server in self.bound]

    @property
    def draining(self) -> Callable[[], bool]:
        return lambda: self.stopping

    @property
    def sessions(self) -> Callable[[], Sequence[LiveSession]]:
        return lambda: self.live

    @property
    def status(self) -> Callable[[], Status]:
        return lambda: self.told

    @property
    def reloaded_at(self) -> Callable[[], float | None]:
        return lambda: self.reloaded
