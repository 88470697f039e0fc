"""Who hears what the proxy does? Whoever watches it: metrics, a console. The proxy knows none of them.

It tells an `Audience` at the moment when something happens, by plain method calls. A listener must return at once: it
may count and note, but neither block nor raise. What changes too often to be told (octets) is read from the live
sessions by whoever wants to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from emailproxy.config.model import Server
from emailproxy.failures import Failure

__all__ = ["NOBODY", "Audience", "Audiences", "LiveSession", "Nobody"]


class LiveSession(Protocol):
    """What can be seen of a mail session, at any time, also when it is over."""

    @property
    def id(self) -> str:
        """Eight hexadecimal digits, which grow from session to session of one process."""
        ...

    @property
    def server(self) -> Server:
        """What its listener stood for when it came."""
        ...

    @property
    def client(self) -> str:
        """The client's address and port."""
        ...

    @property
    def opened(self) -> float:
        """Unix time."""
        ...

    @property
    def account(self) -> str | None:
        """Whose it is; None until login is over."""
        ...

    @property
    def logged_in_at(self) -> float | None:
        """Unix time; None until login is over."""
        ...

    @property
    def octets(self) -> tuple[int, int]:
        """Relayed since the login: up (from the client to the mail server) and down."""
        ...

    @property
    def ending(self) -> str:
        """Why it ended, a clause for people; empty as long as it lives."""
        ...

    def end(self, failure: Failure) -> None:
        """End it now; its client is told why, if that can be said at this moment. Never waits, never raises."""
        ...


class Audience(Protocol):
    """Hears what happens. No method may block or raise."""

    def session_opened(self, session: LiveSession) -> None:
        """A client has connected."""
        ...

    def session_logged_in(self, session: LiveSession) -> None:
        """Its login is over, and octets are relayed from now on."""
        ...

    def session_closed(self, session: LiveSession) -> None:
        """It is over; `LiveSession.ending` says why."""
        ...

    def connection_refused(self, server: Server, client: str, failure: Failure) -> None:
        """There were too many connections, and so no session (`client`: the address alone)."""
        ...

    def login_finished(
        self, session: LiveSession, account: str, mechanism: str, failure: Failure | None, milliseconds: float
    ) -> None:
        """A login was answered.

        Args:
            session: in which.
            account: the account, or what the client gave as user name: printable, 128 characters at the most.
            mechanism: of SASL, or the protocol's own command.
            failure: None: it has worked.
            milliseconds: what it took, waits for people and providers included.
        """
        ...

    def listener_bound(self, server: Server, addresses: Sequence[tuple[str, int]]) -> None:
        """A server is served at these addresses and ports: for the first time, or as a reload has changed it."""
        ...

    def listener_closed(self, section: str) -> None:
        """Nothing is accepted any more for the server of this section; its sessions may go on."""
        ...

    def reloaded(self) -> None:
        """A new configuration is in force."""
        ...

    def draining(self) -> None:
        """The proxy ends: nothing is accepted any more, and live sessions get their time."""
        ...


class Nobody:
    """An `Audience` that is not there."""

    __slots__ = ()

    def session_opened(self, session: LiveSession) -> None:
        """See `Audience`."""

    def session_logged_in(self, session: LiveSession) -> None:
        """See `Audience`."""

    def session_closed(self, session: LiveSession) -> None:
        """See `Audience`."""

    def connection_refused(self, server: Server, client: str, failure: Failure) -> None:
        """See `Audience`."""

    def login_finished(
        self, session: LiveSession, account: str, mechanism: str, failure: Failure | None, milliseconds: float
    ) -> None:
        """See `Audience`."""

    def listener_bound(self, server: Server, addresses: Sequence[tuple[str, int]]) -> None:
        """See `Audience`."""

    def listener_closed(self, section: str) -> None:
        """See `Audience`."""

    def reloaded(self) -> None:
        """See `Audience`."""

    def draining(self) -> None:
        """See `Audience`."""


NOBODY: Final[Audience] = Nobody()


class Audiences:
    """Several listeners as one `Audience`, told in their order."""

    __slots__ = ("_members",)

    def __init__(self, *members: Audience) -> None:
        self._members = members

    def add(self, member: Audience) -> None:
        """From now on tell `member` too."""
        self._members += (member,)

    def session_opened(self, session: LiveSession) -> None:
        """See `Audience`."""
        for member in self._members:
            member.session_opened(session)

    def session_logged_in(self, session: LiveSession) -> None:
        """See `Audience`."""
        for member in self._members:
            member.session_logged_in(session)

    def session_closed(self, session: LiveSession) -> None:
        """See `Audience`."""
        for member in self._members:
            member.session_closed(session)

    def connection_refused(self, server: Server, client: str, failure: Failure) -> None:
        """See `Audience`."""
        for member in self._members:
            member.connection_refused(server, client, failure)

    def login_finished(
        self, session: LiveSession, account: str, mechanism: str, failure: Failure | None, milliseconds: float
    ) -> None:
        """See `Audience`."""
        for member in self._members:
            member.login_finished(session, account, mechanism, failure, milliseconds)

    def listener_bound(self, server: Server, addresses: Sequence[tuple[str, int]]) -> None:
        """See `Audience`."""
        for member in self._members:
            member.listener_bound(server, addresses)

    def listener_closed(self, section: str) -> None:
        """See `Audience`."""
        for member in self._members:
            member.listener_closed(section)

    def reloaded(self) -> None:
        """See `Audience`."""
        for member in self._members:
            member.reloaded()

    def draining(self) -> None:
        """See `Audience`."""
        for member in self._members:
            member.draining()
