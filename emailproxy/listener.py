"""Who may connect? Binds a server's local addresses, accepts, limits, and runs a session for each connection.

This file holds the fence: whatever goes wrong in one session, even a mistake of ours, ends that session and no other.
"""

from __future__ import annotations

import errno
import logging
import math
import socket
import ssl
from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path

import trio

from emailproxy.activation import Inherited
from emailproxy.binding import BindError, Bound, Candidate, bind, candidates, found_candidates, without_address
from emailproxy.config import Server
from emailproxy.connection import Connection, Scratch
from emailproxy.failures import Failure, FailureKind
from emailproxy.introduction import introduced, is_trusted
from emailproxy.login import Services
from emailproxy.protocols.proxy_header import ProxyHeaderError
from emailproxy.references.base import Fetched
from emailproxy.secret import Secret
from emailproxy.session import Session, goodbye
from emailproxy.tls import downstream_context

__all__ = ["BindError", "Listener", "ListenerSet"]

log = logging.getLogger("emailproxy.listener")

ACCEPTS = 16
"""Connections accepted in a row before other tasks run: a millisecond's work."""

PAUSE = 0.1
"""Seconds before accepting again when the system is out of descriptors or memory: a session may have ended."""

TASK = "emailproxy session"
"""The name of a session's task, which trio would compose anew for each."""

COMPLAINT = 10.0
"""Seconds between two lines about that in the log."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_CLIENT_GONE = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED", "ECONNRESET", "EPERM", "ETIMEDOUT",
        # Linux hands on what had happened to the new connection already (accept(2)): no fault of the listener's.
        "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENONET", "ENOPROTOOPT", "EOPNOTSUPP", "EPROTO",
    )
    if hasattr(errno, name)
)  # fmt: skip


class Listener:
    """One configured server: its sockets, its TLS context, its live sessions.

    Args:
        server: what to listen on and what it stands for.
        services: what all sessions share.
        scratch: the buffers that all connections of this thread share.
        sessions: the nursery that sessions run in; they outlive the listener.

    Raises:
        OSError, ssl.SSLError: the certificate cannot be used (checked with the configuration before, but files change).
    """

    def __init__(self, server: Server, services: Services, scratch: Scratch, sessions: trio.Nursery) -> None:
        self.server = server
        self._services = services
        self._scratch = scratch
        self._nursery = sessions
        self._context = _context(server)
        self._sockets: list[socket.socket] = []
        self._scope = trio.CancelScope()
        self._sessions: set[Session] = set()
        self._by_address: Counter[str] = Counter()
        self._complained = -math.inf
        self._unknown = 0  # connections of which a load balancer has not said yet whose they are

    @property
    def sessions(self) -> frozenset[Session]:
        """The sessions that are alive now."""
        return frozenset(self._sessions)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The addresses and ports that are really bound."""
        return [sock.getsockname()[:2] for sock in self._sockets]

    async def bind(self, inherited: Inherited | None = None) -> None:
        """Bind every address that the configuration means, or take the sockets that were bound for it.

        Raises:
            BindError: not one could be bound.
        """
        self.take(bind(self.server, await self._candidates(), inherited))

    def take(self, sockets: list[socket.socket]) -> None:
        """Listen on `sockets`, which are bound for this server. Owns them from now on."""
        self._sockets = sockets
        self._services.audience.listener_bound(self.server, self.addresses)

    def reconfigure(self, server: Server) -> None:
        """Stand for `server`, at the same local address, for connections to come; reads its certificate again.

        Raises:
            OSError, ssl.SSLError: the certificate cannot be used; everything stays as it was.
        """
        self._context = _context(server)
        audience = self._services.audience
        if server.section != self.server.section:
            audience.listener_closed(self.server.section)
        self.server = server
        audience.listener_bound(server, self.addresses)

    async def accept(self) -> None:
        """Accept connections until `stop`. Sessions go on behind it."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for sock in self._sockets:
                        nursery.start_soon(self._accept_on, sock)
        finally:
            self.stop()

    def stop(self) -> None:
        """Accept nothing more; the addresses are free when this returns. Harmless when repeated."""
        self._scope.cancel()
        for sock in self._sockets:
            trio.lowlevel.notify_closing(sock.fileno())
            sock.close()
        if self._sockets:
            log.info("%s stopped listening", self.server.section)
            self._services.audience.listener_closed(self.server.section)
        self._sockets.clear()

    async def _candidates(self) -> list[Candidate]:
        known = candidates(self.server)
        if known is not None:
            return known
        try:
            return found_candidates(
                await trio.socket.getaddrinfo(
                    self.server.local_address, self.server.local_port, type=socket.SOCK_STREAM
                )
            )
        except (OSError, UnicodeError) as error:  # the latter where IDNA cannot encode the name
            raise without_address(self.server, error) from None

    async def _accept_on(self, sock: socket.socket) -> None:
        while True:
            await trio.lowlevel.checkpoint_if_cancelled()  # stopped sockets are closed already
            for _ in range(ACCEPTS):
                try:
                    client, address = sock.accept()
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(sock.fileno())
                    break
                except OSError as error:
                    if error.errno in _EXHAUSTED:
                        self._complain(error)
                        await trio.sleep(PAUSE)
                        break
                    if error.errno not in _CLIENT_GONE:
                        raise
                else:
                    # A socket for both families, which only somebody else binds, shows IPv4 addresses as IPv6 ones.
                    self._receive(client, (address[0].removeprefix("::ffff:"), address[1]))
            else:
                await trio.lowlevel.checkpoint()

    def _complain(self, error: OSError) -> None:
        """Say that a limit of the system is reached, but not at each of the ten tries in a second."""
        now = trio.current_time()
        if now - self._complained >= COMPLAINT:
            self._complained = now
            log.error("%s cannot accept: %s; raise the limit of open files", self.server.section, error.strerror)

    def _receive(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Start a session with whoever connected, or with the client that a load balancer introduces."""
        sock.setblocking(False)
        if not self.server.proxy_protocol_from:
            self._admit(sock, address)
        elif not is_trusted(address[0], self.server.proxy_protocol_from):
            log.warning(
                "%s refused a connection from %s: it is none of proxy_protocol_from", self.server.section, address[0]
            )
            sock.close()
        else:
            self._unknown += 1
            self._nursery.start_soon(self._introduce, sock, address)

    async def _introduce(self, sock: socket.socket, address: tuple[str, int]) -> None:
        client = None
        try:
            client = await introduced(sock, address)
        except ProxyHeaderError as error:
            log.warning("%s refused a connection from the load balancer %s: %s", self.server.section, address[0], error)
        except OSError as error:  # so do balancers that only look whether the port is open
            log.debug("%s: the load balancer %s: %s", self.server.section, address[0], error)
        finally:
            self._unknown -= 1
            if client is None:
                sock.close()
        if client is not None:
            self._admit(sock, client)

    def _admit(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Start a session, or refuse when there are too many."""
        settings = self._services.config().settings
        host = address[0]
        reason = None
        if len(self._sessions) + self._unknown >= settings.max_connections:
            reason = f"{settings.max_connections} connections of this listener (max_connections)"
        elif self._by_address[host] >= settings.max_connections_per_address and not _is_loopback(host):
            reason = f"{settings.max_connections_per_address} connections from {host} (max_connections_per_address)"
        connection = Connection(sock, self._scratch)
        if reason is not None:
            failure = Failure(FailureKind.LIMIT, "Too many connections, please try again later.", reason)
            fields = {"listener": self.server.section, "client": host, "reason": reason, "ref": failure.reference}
            log.warning("%s refused a connection from %s: %s (ref %s)", *fields.values(), extra=fields)
            if self._context is None or self.server.local_starttls:
                try:
                    connection.send_nowait(goodbye(self.server.protocol, failure))
                except OSError as error:
                    log.debug("%s: no goodbye: %s", host, error)
            connection.close()
            self._services.audience.connection_refused(self.server, host, failure)
            return
        session = Session(connection, address, self.server, self._context, self._services)
        self._sessions.add(session)
        self._by_address[host] += 1
        self._services.audience.session_opened(session)
        self._nursery.start_soon(self._fenced, session, host, name=TASK)

    async def _fenced(self, session: Session, host: str) -> None:
        try:
            await session.run()
        except Exception:
            log.exception("%s: a session from %s ended by a mistake in emailproxy", self.server.section, host)
        finally:
            self._sessions.discard(session)
            self._by_address[host] -= 1
            if not self._by_address[host]:
                del self._by_address[host]
            self._services.audience.session_closed(session)


class ListenerSet:
    """All listeners of the configuration in force.

    Args:
        services: what all sessions share.
        scratch: the buffers that all connections of this thread share.
        sessions: the nursery of the sessions.
        accepting: the nursery of the accept loops.
        inherited: sockets that somebody else has bound.
    """

    def __init__(
        self,
        services: Services,
        scratch: Scratch,
        sessions: trio.Nursery,
        accepting: trio.Nursery,
        inherited: Inherited | None = None,
    ) -> None:
        self._services = services
        self._scratch = scratch
        self._sessions = sessions
        self._accepting = accepting
        self._inherited = inherited
        self._listeners: dict[tuple[str | None, int], Listener] = {}
        self._stopped: list[Listener] = []
        self._applying = trio.Lock()
        self._over = trio.Event()

    @property
    def addresses(self) -> list[tuple[Server, str, int]]:
        """What is bound: the server it stands for, address and port."""
        return [(each.server, *address) for each in self._listeners.values() for address in each.addresses]

    @property
    def sessions(self) -> list[Session]:
        """The sessions that are alive now, those of stopped listeners included."""
        return [session for listener in self._all() for session in listener.sessions]

    @property
    def live(self) -> int:
        """Sessions alive now, those of stopped listeners included."""
        return sum(len(listener.sessions) for listener in self._all())

    async def apply(self, servers: Iterable[Server]) -> None:
        """Listen for exactly `servers`: open new addresses, close others, change the rest in place.

        A listener that cannot be opened or changed is an error in the log; the others go on.
        """
        # A signal may ask for a reload while the first configuration is being bound: one after the other.
        async with self._applying:
            await self._apply({(server.local_address, server.local_port): server for server in servers})

    async def _apply(self, wanted: Mapping[tuple[str | None, int], Server]) -> None:
        if self._over.is_set():
            return
        for address in self._listeners.keys() - wanted.keys():
            self._stop(self._listeners.pop(address))
        for address, server in wanted.items():
            known = self._listeners.get(address)
            try:
                if known is not None:
                    known.reconfigure(server)
                    continue
                listener = Listener(server, self._services, self._scratch, self._sessions)
                await listener.bind(self._inherited)
                if self._over.is_set():  # stopped while an address was looked up
                    listener.stop()
                    return
            except BindError as error:
                log.error("%s", error)
            except OSError as error:  # includes ssl.SSLError
                _log_unusable(server, error)
            else:
                self._listeners[address] = listener
                self._accepting.start_soon(listener.accept)

    def adopt(self, servers: Iterable[Server], bound: Bound) -> None:
        """Listen for those of `servers` that are `bound`, of which nothing is left behind.

        One whose certificate cannot be used is an error in the log; the others go on.
        """
        for server in servers:
            sockets = bound.take(server)
            if not sockets:
                continue
            try:
                listener = Listener(server, self._services, self._scratch, self._sessions)
            except OSError as error:  # includes ssl.SSLError
                _log_unusable(server, error)
                for sock in sockets:
                    sock.close()
            else:
                listener.take(sockets)
                self._listeners[server.local_address, server.local_port] = listener
                self._accepting.start_soon(listener.accept)

    async def renew(self) -> None:
        """Read the certificates again, for connections to come; one that cannot be used leaves the one before."""
        async with self._applying:
            await self._apply({address: listener.server for address, listener in self._listeners.items()})

    def stop(self) -> None:
        """Accept nothing more on any address, and open none any more."""
        self._over.set()
        while self._listeners:
            self._stop(self._listeners.popitem()[1])

    def end_sessions(self, failure: Failure, *, logged_in: bool) -> None:
        """End the sessions that wait for a login, or with `logged_in` every one; their clients are told why."""
        for listener in self._all():
            for session in listener.sessions:
                if logged_in or not session.logged_in:
                    session.end(failure)

    def _stop(self, listener: Listener) -> None:
        listener.stop()
        # Those without a session are forgotten, so that a thousand reloads keep nothing.
        self._stopped = [each for each in (*self._stopped, listener) if each.sessions]

    def _all(self) -> list[Listener]:
        return [*self._listeners.values(), *self._stopped]


def _log_unusable(server: Server, error: OSError) -> None:
    log.error("[%s] local_certificate_path cannot be used: %s", server.section, error)


def _context(server: Server) -> ssl.SSLContext | None:
    if server.local_certificate_path is None:
        return None
    key = server.local_key_path
    clients = server.client_certificates
    return downstream_context(
        _pem(server.local_certificate_path),
        _pem(key) if key else None,
        server.min_tls,
        client_authority=_pem(clients.authority) if clients is not None else None,
        client_required=clients is not None and clients.required,
    )


def _pem(source: Path | Fetched) -> Path | Secret:
    return source.value if isinstance(source, Fetched) else source


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
