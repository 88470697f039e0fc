"""How is a mail server reached and logged in to? And what did it offer last time?"""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass

import trio

from emailproxy.config import MailProtocol, Server
from emailproxy.connection import Connection, Scratch
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

__all__ = ["ClientHello", "JoinedUpstream", "UpstreamRefusedError", "UpstreamServers", "UpstreamUnavailableError"]

log = logging.getLogger("emailproxy.upstream")

CONNECT_LIMIT = 30.0
"""Seconds for look-up, connection and TLS: all addresses of a name get their turn before a client gives up."""

LOGIN_LIMIT = 60.0
"""Seconds from greeting to login: Exchange was seen to take 9 s for a refusal, and more under load."""

PROBE_LIMIT = 20.0
"""Seconds for asking a server's capabilities at start-up; nobody waits for it."""


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
        self._capabilities: dict[tuple[MailProtocol, str, int], tuple[str, ...]] = {}

    def capabilities(self, server: Server) -> tuple[str, ...]:
        """What `server` offered last before login; empty if it was never reached."""
        return self._capabilities.get(_key(server), ())

    async def log_in(self, server: Server, user: str, token: Secret, hello: ClientHello) -> JoinedUpstream:
        """Connect to `server` and log in as `user`.

        The caller owns the connection of the result. After an error or a cancellation nothing stays open.

        Raises:
            UpstreamUnavailableError: not reached, not trusted, or no dialogue.
            UpstreamRefusedError: it refused.
        """
        login = UpstreamLogin(user=user, token=token, host=server.server_address, port=server.server_port)
        connection = await self._connect(server)
        try:
            machine = _machine(server, login, hello)
            with trio.move_on_after(LOGIN_LIMIT):
                event = await self._converse(connection, machine, server)
                match event:
                    case LoggedIn():
                        self._learn(server, machine, connection)
                        return JoinedUpstream(connection, event, machine.trailing_data)
                    case LoginRefused():
                        self._learn(server, machine, connection)
                        raise UpstreamRefusedError(event)
                    case UpstreamFailed(detail):
                        raise UpstreamUnavailableError(f"{_name(server)}: {detail}")
                    case _:
                        raise AssertionError(event)
            raise UpstreamUnavailableError(f"{_name(server)} did not finish the login within {LOGIN_LIMIT:.0f} s")
        except BaseException:
            connection.close()
            raise

    async def probe(self, server: Server) -> None:
        """Ask `server` for its capabilities without logging in, and remember them. A failure is a log line."""
        with trio.move_on_after(PROBE_LIMIT) as scope:
            try:
                connection = await self._connect(server)
                try:
                    machine = _machine(server, None, ClientHello())
                    event = await self._converse(connection, machine, server)
                    if isinstance(event, CapabilitiesReceived):
                        self._learn(server, machine, connection)
                        log.info("%s offers %s", _name(server), " ".join(event.capabilities))
                    else:
                        log.warning("%s told no capabilities: %s", _name(server), event)
                finally:
                    connection.close()
            except UpstreamUnavailableError as error:
                log.warning("%s; logins through %s will fail until it answers", error, server.section)
        if scope.cancelled_caught:
            log.warning("%s did not tell its capabilities within %.0f s", _name(server), PROBE_LIMIT)

    async def _connect(self, server: Server) -> Connection:
        host, port = server.server_address, server.server_port
        connection: Connection | None = None
        try:
            with trio.fail_after(CONNECT_LIMIT):
                stream = await trio.open_tcp_stream(host, port)
                # From here on we drive the socket ourselves; trio has set TCP_NODELAY.
                sock = socket.socket(fileno=stream.socket.detach())
                connection = Connection(sock, self._scratch)
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if not server.server_starttls:
                    await self._start_tls(connection, server)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, trio.TooSlowError):
                raise UpstreamUnavailableError(f"{_name(server)} did not answer within {CONNECT_LIMIT:.0f} s") from None
            if isinstance(error, OSError):
                raise UpstreamUnavailableError(f"{_name(server)} cannot be reached: {_why(error)}") from error
            raise
        return connection

    async def _start_tls(self, connection: Connection, server: Server) -> None:
        host, port = server.server_address, server.server_port
        try:
            await connection.start_tls(lambda incoming, outgoing: self._tls.wrap(incoming, outgoing, host, port))
        except OSError:
            self._tls.forget(host, port)
            raise

    async def _converse(
        self, connection: Connection, machine: Upstream, server: Server
    ) -> LoggedIn | LoginRefused | UpstreamFailed | CapabilitiesReceived:
        """Drive `machine` until it has something final to say.

        Raises:
            UpstreamUnavailableError: the connection broke, or TLS failed.
        """
        transcript = Transcript(log, _name(server), server.protocol, ours=True)
        try:
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
        except OSError as error:
            raise UpstreamUnavailableError(f"{_name(server)}: the connection broke: {error}") from error

    def _learn(self, server: Server, machine: Upstream, connection: Connection) -> None:
        if machine.capabilities:
            self._capabilities[_key(server)] = machine.capabilities
        if connection.tls is not None:
            self._tls.remember(server.server_address, server.server_port, connection.tls)


def _machine(server: Server, login: UpstreamLogin | None, hello: ClientHello) -> Upstream:
    match server.protocol:
        case MailProtocol.IMAP:
            return UpstreamImap(login=login, starttls=server.server_starttls, client_id=hello.imap_id)
        case MailProtocol.POP:
            return UpstreamPop3(login=login, starttls=server.server_starttls)
        case MailProtocol.SMTP:
            # RFC 5321 section 4.1.4 wants a name; a client that said only HELO gets EHLO on its behalf.
            name = hello.smtp_name or "localhost"
            return UpstreamSmtp(login=login, starttls=server.server_starttls, client_name=name)


def _why(error: BaseException) -> str:
    """What the system said: trio reports several failed addresses as one error with a cause."""
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(_why(each) for each in cause.exceptions))
    if isinstance(cause, OSError):
        return _why(cause)
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _key(server: Server) -> tuple[MailProtocol, str, int]:
    return server.protocol, server.server_address, server.server_port


def _name(server: Server) -> str:
    return f"{server.server_address}:{server.server_port}"
