"""How is a mail server reached and logged in to? And what did it offer last time?"""

from __future__ import annotations

import logging
import math
import socket
from dataclasses import dataclass

import trio

from emailproxy.config import MailProtocol, MailServer
from emailproxy.connection import Connection, Scratch
from emailproxy.dialling import HEAD_START, Dialler
from emailproxy.failures import ProxyError
from emailproxy.protocols.events import (
    CapabilitiesReceived,
    LoggedIn,
    LoginRefused,
    NeedData,
    StartTls,
    Upstream,
    UpstreamFailed,
)
from emailproxy.protocols.imap import UpstreamImap
from emailproxy.protocols.pop3 import UpstreamPop3
from emailproxy.protocols.sasl import UpstreamLogin
from emailproxy.protocols.smtp import UpstreamSmtp
from emailproxy.secret import Secret
from emailproxy.tls import UpstreamTls
from emailproxy.transcript import Transcript

__all__ = [
    "CONNECT_LIMIT",
    "LOGIN_LIMIT",
    "PROBE_LIMIT",
    "ClientHello",
    "JoinedUpstream",
    "UpstreamRefusedError",
    "UpstreamServers",
    "UpstreamUnavailableError",
    "machine_for",
    "reason",
]

log = logging.getLogger("emailproxy.upstream")

CONNECT_LIMIT = 30.0
"""Seconds for look-up and connection: all addresses of a name get their turn before a client gives up."""

LOGIN_LIMIT = 60.0
"""Seconds from the connection to the login: Exchange was seen to take 9 s for a refusal, and more under load."""

PROBE_LIMIT = 20.0
"""Seconds for asking a server's capabilities at start-up; nobody waits for it."""

KNOWN_FOR = 300.0
"""Seconds for which a server is not asked again what it offers before login: a round trip of each login to those whose
greeting does not say so (Exchange, Gmail, every POP3 server). A login that fails ends it, as does a restart."""


Answer = LoggedIn | LoginRefused | UpstreamFailed | CapabilitiesReceived
"""The last word of a dialogue."""


class UpstreamUnavailableError(ProxyError):
    """The mail server could not be reached, or hung up. The message is for the operator."""


class UpstreamRefusedError(ProxyError):
    """The mail server answered the login with a refusal."""

    def __init__(self, refused: LoginRefused) -> None:
        challenge = f"; challenge {refused.challenge}" if refused.challenge else ""
        super().__init__(f"the server said {refused.reply!r}{challenge}")
        self.refused = refused


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What the mail client told of itself, for the server to hear."""

    imap_id: bytes | None = None
    smtp_name: str | None = None


@dataclass(frozen=True, slots=True)
class JoinedUpstream:
    """A logged-in connection, the words of the login, and what the server sent behind them."""

    connection: Connection
    logged_in: LoggedIn
    trailing_data: bytes


class UpstreamServers:
    """Opens connections to mail servers, logs in, and remembers what each offered."""

    def __init__(self, tls: UpstreamTls, scratch: Scratch) -> None:
        self._tls = tls
        self._scratch = scratch
        self._dialler = Dialler()
        self._capabilities: dict[tuple[MailProtocol, str, int], tuple[str, ...]] = {}
        self._asked: dict[tuple[MailProtocol, str, int], float] = {}

    def capabilities(self, server: MailServer | None) -> tuple[str, ...]:
        """What `server` offered last before login; empty if it was never reached, or nobody knows yet which it is."""
        return self._capabilities.get(_key(server), ()) if server is not None else ()

    async def log_in(self, server: MailServer, user: str, token: Secret, hello: ClientHello) -> JoinedUpstream:
        """Connect to `server` and log in as `user`.

        The caller owns the connection of the result. After an error or a cancellation nothing stays open.

        Raises:
            UpstreamUnavailableError: not reached, not trusted, or no dialogue.
            UpstreamRefusedError: it refused.
        """
        login = UpstreamLogin(user=user, token=token, host=server.address, port=server.port)
        event, connection, machine = await self._ask(server, login, hello, LOGIN_LIMIT)
        if isinstance(event, LoggedIn):
            return JoinedUpstream(connection, event, machine.trailing_data)
        connection.close()
        if isinstance(event, LoginRefused):
            raise UpstreamRefusedError(event)
        raise UpstreamUnavailableError(f"{server}: {event}")

    async def probe(self, server: MailServer) -> None:
        """Ask `server` for its capabilities without logging in, and remember them. A failure is a log line."""
        try:
            event, connection, _ = await self._ask(server, None, ClientHello(), PROBE_LIMIT)
        except UpstreamUnavailableError as error:
            log.warning("%s; %s logins there will fail until it answers", error, server.protocol.value)
            return
        connection.close()
        if isinstance(event, CapabilitiesReceived):
            log.info("%s offers %s", server, " ".join(event.capabilities))
        else:
            log.warning("%s told no capabilities: %s", server, event)

    async def _ask(
        self, server: MailServer, login: UpstreamLogin | None, hello: ClientHello, limit: float
    ) -> tuple[Answer, Connection, Upstream]:
        """Connect, and converse until the server's last word, `limit` seconds at most. The caller owns the connection.

        Raises:
            UpstreamUnavailableError: not reached, not trusted, broken, or too slow.
        """
        connection: Connection | None = None
        answered = False
        prepared: list[Connection] = []
        started = trio.current_time()
        again = self._dialler.remembers(server.address, server.port)
        # One scope, whose deadline moves: the steps of a login are short, and each scope costs as much as a step.
        with trio.CancelScope(deadline=started + (HEAD_START if again else CONNECT_LIMIT)) as scope:
            try:
                sock = await self._redial(server, prepared) if again else None
                if sock is None:
                    again = False
                    prepared.clear()
                    scope.deadline = started + CONNECT_LIMIT
                    sock = await self._dialler.dial(server.address, server.port)
                connection = prepared.pop() if prepared else Connection(sock, self._scratch)
                scope.deadline = trio.current_time() + limit
                if not server.starttls:
                    await self._start_tls(connection, server)
                known = self._known(server)
                machine = machine_for(server, login, hello, known)
                event = await self._converse(connection, machine, server)
                if not isinstance(event, UpstreamFailed):
                    self._learn(server, machine, connection)
                if isinstance(event, LoginRefused | UpstreamFailed):
                    self._asked.pop(_key(server), None)
                elif not known:
                    self._asked[_key(server)] = trio.current_time()
                answered = True
            except OSError as error:
                doing = "cannot be reached" if connection is None else "broke the connection off"
                raise UpstreamUnavailableError(f"{server} {doing}: {reason(error)}") from error
            finally:
                if connection is not None and not answered:
                    connection.close()
                    self._asked.pop(_key(server), None)
            return event, connection, machine
        if again and connection is None:  # the address of last time is silent, and forgotten now
            return await self._ask(server, login, hello, limit)
        step = "connect" if connection is None else "answer"
        raise UpstreamUnavailableError(f"{server} did not {step} in time")

    async def _redial(self, server: MailServer, prepared: list[Connection]) -> socket.socket | None:
        """See `Dialler.redial`. While the network is at work, TLS is: `prepared` gets the connection."""

        def prepare(sock: socket.socket) -> None:
            connection = Connection(sock, self._scratch)
            self._prepare_tls(connection, server)
            prepared.append(connection)

        return await self._dialler.redial(server.address, server.port, None if server.starttls else prepare)

    def _prepare_tls(self, connection: Connection, server: MailServer) -> None:
        host, port = server.address, server.port
        connection.prepare_tls(lambda incoming, outgoing: self._tls.wrap(incoming, outgoing, host, port))

    async def _start_tls(self, connection: Connection, server: MailServer) -> None:
        """Shake hands; the first part may have been done by `_redial`."""
        try:
            if connection.tls is None:
                self._prepare_tls(connection, server)
            await connection.shake_hands()
        except OSError:
            self._tls.forget(server.address, server.port)
            raise

    async def _converse(self, connection: Connection, machine: Upstream, server: MailServer) -> Answer:
        """Drive `machine` until it has something final to say."""
        transcript = Transcript(log, str(server), server.protocol, ours=True)
        while True:
            event = machine.next_event()
            data = machine.data_to_send()
            if data:
                transcript.sent(data)
                await connection.send(data)
            match event:
                case NeedData.NEED_DATA:
                    data = await connection.receive()
                    transcript.received(data)
                    machine.receive_data(data)
                case StartTls():
                    await self._start_tls(connection, server)
                    machine.secured()
                case _:
                    return event

    def _known(self, server: MailServer) -> tuple[str, ...]:
        """What `server` offers, if it was asked a moment ago."""
        key = _key(server)
        if trio.current_time() - self._asked.get(key, -math.inf) > KNOWN_FOR:
            return ()
        return self._capabilities.get(key, ())

    def _learn(self, server: MailServer, machine: Upstream, connection: Connection) -> None:
        if machine.capabilities:
            self._capabilities[_key(server)] = machine.capabilities
        if connection.tls is not None:
            self._tls.remember(server.address, server.port, connection.tls)


def machine_for(
    server: MailServer, login: UpstreamLogin | None, hello: ClientHello, known: tuple[str, ...] = ()
) -> Upstream:
    """The client's side of a dialogue with `server`; without a `login` it asks for capabilities and leaves.

    Args:
        server: where.
        login: as whom.
        hello: what the mail client told of itself.
        known: what the server offered a moment ago.
    """
    match server.protocol:
        case MailProtocol.IMAP:
            return UpstreamImap(
                login=login,
                starttls=server.starttls,
                client_id=hello.imap_id,
                sasl_ir=server.sasl_ir,
                known=known,
            )
        case MailProtocol.POP:
            return UpstreamPop3(login=login, starttls=server.starttls, known=known)
        case MailProtocol.SMTP:
            # RFC 5321 section 4.1.4 wants a name; a client that said only HELO gets EHLO on its behalf.
            name = hello.smtp_name or "localhost"
            return UpstreamSmtp(login=login, starttls=server.starttls, client_name=name)


def reason(error: BaseException) -> str:
    """What the system said: trio reports several failed addresses as one error with a cause."""
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(reason(each) for each in cause.exceptions))
    if isinstance(cause, OSError):
        return reason(cause)
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _key(server: MailServer) -> tuple[MailProtocol, str, int]:
    return server.protocol, server.address, server.port
