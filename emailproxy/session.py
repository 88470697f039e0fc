"""What happens to one mail connection, from greeting to goodbye?

Until login is over we are the mail server. Only with a token in hand is the upstream connection opened; then the two
are joined. Every wait before that has its deadline here; the relay has its own.
"""

from __future__ import annotations

import logging
import math
import ssl
import time
from collections.abc import Callable

import trio

from emailproxy.admission import WITHOUT_LOGIN, admit, admit_without_login, claimed, exchanges
from emailproxy.config import MailProtocol, Server
from emailproxy.connection import Connection
from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.login import Services, log_in
from emailproxy.logs import CONTENT_LOGGER
from emailproxy.machines import client_hello, downstream
from emailproxy.passing import pass_on
from emailproxy.peer_certificate import PeerCertificate
from emailproxy.protocols.events import (
    Abused,
    CommandRefused,
    Confirmed,
    Credentials,
    CredentialsReceived,
    Downstream,
    LoggedOut,
    MailReceived,
    NeedData,
    ProofReceived,
    StartTls,
    TokenCredentials,
    TokenReceived,
)
from emailproxy.protocols.replies import imap_bye, pop3_err, smtp_goodbye, told
from emailproxy.protocols.underway import LastWords, UnderWay
from emailproxy.relay import QUIET, Ending, Relay
from emailproxy.transcript import Transcript
from emailproxy.upstream import (
    ClientHello,
    JoinedUpstream,
)

__all__ = ["Session", "goodbye"]

log = logging.getLogger("emailproxy.session")
content = logging.getLogger(CONTENT_LOGGER)

_ARROWS = {True: "<-", False: "->"}

CLIENT_LIMIT = 180.0
"""Seconds that a client has between greeting (or refusal) and complete credentials, as Dovecot gives it."""

HANDSHAKE_LIMIT = 30.0
"""Seconds for TLS with the client: slow printers need a few."""

ATTEMPTS = 5
"""Failed logins after which a connection ends: clients try two or three mechanisms, guessers more."""

SEND_LIMIT = 30.0
"""Seconds for a reply of one line to leave: a client that does not read is gone."""

GRID = 1.0
"""Seconds. "Wrong user name or password" leaves at a whole multiple of this after the credentials came: what it took
to find out (a derivation, an argon2 hash, a look into a store, or none of them) is what a stranger would learn from."""

RESTING = 5.0
"""Seconds of silence behind a line of the server's after which nothing is under way, when the line does not say so: a
client sends a literal at once, and a server that has begun a response goes on."""

IDLE_LIMITS = {MailProtocol.IMAP: 1860.0, MailProtocol.POP: 600.0, MailProtocol.SMTP: 600.0}
"""Seconds: 31 min as IDLE is renewed every 29 (RFC 2177); 10 min by RFC 1939 section 3 and RFC 5321 4.5.3.2."""


class Session:
    """One mail connection, an `emailproxy.audience.LiveSession`. Owns `client` and closes it when `run` ends.

    Args:
        client: the connection, just accepted.
        address: the client's address and port, for the log.
        server: what the listener stands for.
        tls: the listener's TLS context, None if it has no certificate.
        services: what all sessions share.

    Attributes:
        opened: Unix time at which it came.
        account: whose session it is; None until login is over.
        logged_in_at: Unix time at which login was over; None before.
        ending: why it ended, a clause for people; empty as long as it lives.
    """

    __slots__ = (
        "_admitted",
        "_client",
        "_context",
        "_ending",
        "_failures",
        "_host",
        "_machine",
        "_number",
        "_peer",
        "_relay",
        "_scope",
        "_server",
        "_services",
        "_transcript",
        "_under_way",
        "_upstream",
        "account",
        "ending",
        "logged_in_at",
        "opened",
    )

    def __init__(
        self,
        client: Connection,
        address: tuple[str, int],
        server: Server,
        tls: ssl.SSLContext | None,
        services: Services,
    ) -> None:
        self._client = client
        self._host = address[0]
        self._peer = f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
        self._server = server
        self._context = tls
        self._services = services
        self._machine: Downstream | None = None
        self._relay: Relay | None = None
        self._under_way: UnderWay | None = None
        # One scope until login, whose deadline moves; it is out of force while we, not the client, are to answer.
        self._scope = trio.CancelScope(deadline=trio.current_time() + CLIENT_LIMIT)
        self._ending = False
        self._failures = 0
        self._admitted: Credentials | None = None
        self._number = next(services.numbers)
        self._transcript: Transcript
        self._upstream: Connection | None = None
        self.opened = time.time()
        self.account: str | None = None
        self.logged_in_at: float | None = None
        self.ending = ""

    @property
    def id(self) -> str:
        """Eight hexadecimal digits, which grow from session to session."""
        return f"{self._number & 0xFFFFFFFF:08x}"

    @property
    def server(self) -> Server:
        """What the listener stood for when the client came."""
        return self._server

    @property
    def client(self) -> str:
        """The client's address and port."""
        return self._peer

    @property
    def octets(self) -> tuple[int, int]:
        """Relayed since the login, up and down."""
        return self._relay.octets if self._relay is not None else (0, 0)

    @property
    def logged_in(self) -> bool:
        """Whether login is over and octets are relayed."""
        return self._relay is not None

    async def run(self) -> None:
        """Serve the client until the end. What a peer does wrong is a log line, not an exception."""
        try:
            joined = None
            with self._scope:
                joined = await self._serve_until_login()
            if joined is not None:
                relay, joined = self._join(*joined), None
                try:
                    await relay.run()
                finally:
                    self._part(relay)
            elif self._scope.cancelled_caught and not self._ending:
                self._scope = trio.CancelScope()
                with self._scope:
                    await self._abort(FailureKind.LIMIT, "Too long without a login.", "no login in time")
        except OSError as error:
            self.ending = "connection of the client broke"
            log.info("%s %s: connection of the client broke: %s", self._server.section, self._peer, error)
        finally:
            self._client.close()
            self.ending = self.ending or "closed"

    def is_resting(self) -> bool:
        """Whether the client may be sent away without cutting anything off. The first time it is asked, it listens.

        Only who has logged in can be resting.
        """
        relay = self._relay
        if relay is None:
            return False
        if self._under_way is None:
            self._under_way = UnderWay(self._server.protocol.value)
            relay.overhear(self._under_way.heard)
        since = relay.silent_since()
        if since is None:
            return False
        match self._under_way.last_words:
            case LastWords.COMPLETE:
                return trio.current_time() - since >= QUIET
            case LastWords.UNKNOWN:
                return trio.current_time() - since >= RESTING
            case LastWords.OPEN:
                return False

    def end(self, failure: Failure) -> None:
        """End now; the client is told why, if that can be said at this moment. Never waits, never raises."""
        self._ending = True
        self.ending = failure.detail
        if self._relay is not None:
            self._relay.say_goodbye(goodbye(self._server.protocol, failure))
            self._relay.stop()
            return
        self._scope.cancel()
        if self._machine is not None:
            self._machine.abort(failure)
            try:
                self._client.send_nowait(self._machine.data_to_send())
            except OSError as error:
                log.debug("%s: no goodbye: %s", self._peer, error)

    # --- until login --------------------------------------------------------------------------------------------------

    async def _serve_until_login(self) -> tuple[str, JoinedUpstream] | None:
        """Be the mail server until a login has worked; None if the client left or was sent away."""
        if self._context is not None and not self._server.local_starttls and not await self._start_tls(self._context):
            return None
        server, upstreams = self._server, self._services.upstreams
        others = exchanges(self._services, server, self._peer_certificate())
        machine = self._machine = downstream(
            server,
            upstreams,
            others,
            tls=self._context is not None,
            without_login=server.default_account(self._host) is not None,
        )
        transcript = self._transcript = Transcript(log, self._peer, self._server.protocol, ours=False)
        while True:
            event = machine.next_event()
            await self._send(machine.data_to_send())
            match event:
                case NeedData.NEED_DATA:
                    data = await self._client.receive()
                    transcript.received(data)
                    machine.receive_data(data)
                case CredentialsReceived() | TokenReceived() | ProofReceived() | Confirmed() | MailReceived():
                    self._scope.deadline = math.inf
                    joined = await self._answer(machine, event)
                    if joined is not None:
                        return joined
                    if self._failures >= ATTEMPTS:
                        await self._abort(FailureKind.LIMIT, "Too many failed logins.", f"{ATTEMPTS} failed logins")
                        return None
                    self._scope.deadline = trio.current_time() + CLIENT_LIMIT
                case StartTls():
                    assert self._context is not None, "STARTTLS was not offered"
                    if not await self._start_tls(self._context):
                        return None
                    machine.secured()
                    machine.offer(exchanges(self._services, server, self._peer_certificate()))
                case CommandRefused(command, reason):
                    log.info("%s %s: %s was refused: %s", self._server.section, self._peer, command, reason)
                case Abused(detail):
                    await self._abort(FailureKind.PROTOCOL_ABUSE, "This is not a mail client's dialogue.", detail)
                    return None
                case LoggedOut():
                    self.ending = "left without a login"
                    log.debug("%s %s: left without a login", self._server.section, self._peer)
                    return None

    async def _answer(
        self,
        machine: Downstream,
        asked: CredentialsReceived | TokenReceived | ProofReceived | Confirmed | MailReceived,
    ) -> tuple[str, JoinedUpstream] | None:
        """Take a login one step on: mostly the only one. What came of it; None: not logged in (yet)."""
        started = trio.current_time()
        user = mechanism = ""
        credentials: Credentials | TokenCredentials
        try:
            match asked:
                case CredentialsReceived(credentials) | TokenReceived(credentials):
                    user, mechanism = credentials.user, credentials.mechanism
                    self._check_attempt(user)
                case ProofReceived(proof):
                    certificate = self._peer_certificate()
                    user, mechanism = claimed(proof, certificate), proof.mechanism
                    self._check_attempt(user)
                    admitted = await admit(self._services, self._server, proof, certificate, self._peer)
                    if admitted.final:
                        self._admitted = admitted.credentials
                        machine.confirm(admitted.final)
                        return None
                    credentials = admitted.credentials
                case MailReceived():
                    user, mechanism = self._server.default_account(self._host) or "", WITHOUT_LOGIN
                    self._check_attempt(user)
                    credentials = admit_without_login(self._services, self._server, self._host)
                case Confirmed():
                    assert self._admitted is not None
                    credentials = self._admitted
                    user, mechanism = credentials.user, credentials.mechanism
            name, upstream = await self._reach_server(credentials, client_hello(machine))
        except LoginFailed as failed:
            await self._refuse(machine, user, mechanism, started, failed.failure)
            return None
        try:
            self._services.throttle.succeeded(self._host, user)
            machine.accept(upstream.logged_in)
            await self._send(machine.data_to_send())
            await _deliver(self._client, upstream.trailing_data)
            await _deliver(upstream.connection, machine.trailing_data)
        except BaseException:
            upstream.connection.close()
            raise
        self._log_login(name, mechanism, started, None)
        return name, upstream

    def _check_attempt(self, user: str) -> None:
        """Whether what this client sends as `user` is looked at now; ask once for each attempt. Raises LoginFailed."""
        if not self._services.throttle.admits(self._host, user):
            raise LoginFailed(_not_looked_at())
        clients = self._server.client_certificates
        if clients is not None and clients.required and self._client.tls is None:
            raise LoginFailed(_no_certificate())

    async def _refuse(self, machine: Downstream, user: str, mechanism: str, started: float, failure: Failure) -> None:
        """Answer a login that failed. The client stays connected, for the next attempt."""
        self._failures += 1
        self._log_login(user, mechanism, started, failure)
        if failure.kind is FailureKind.WRONG_CREDENTIALS:
            delay = self._services.throttle.failed(self._host, user)
            elapsed = trio.current_time() - started + delay
            await trio.sleep(delay + -elapsed % GRID)
        machine.refuse(failure)

    async def _reach_server(
        self, credentials: Credentials | TokenCredentials, hello: ClientHello
    ) -> tuple[str, JoinedUpstream]:
        """Whose login it is, and the connection that it leads to. Raises LoginFailed."""
        if isinstance(credentials, TokenCredentials):
            return credentials.user, await pass_on(self._services, self._server, credentials, hello)
        account, upstream = await log_in(self._services, self._server, credentials, hello, self._peer)
        return account.name, upstream

    # --- after login --------------------------------------------------------------------------------------------------

    def _join(self, name: str, upstream: JoinedUpstream) -> Relay:
        # What the login needed is not needed for the hours to come.
        self._machine = self._admitted = None
        del self._transcript, self._scope
        server = self._upstream = upstream.connection
        self.account, self.logged_in_at = name, time.time()
        limit = IDLE_LIMITS[self._server.protocol]
        relay = self._relay = Relay(self._client, server, limit, self._tap(), self._services.readiness)
        if self._ending:  # told to end while the login's last step was under way
            relay.stop()
        self._services.audience.session_logged_in(self)
        return relay

    def _part(self, relay: Relay) -> None:
        assert self._upstream is not None
        self._upstream.close()
        ending = relay.ending.value if relay.ending is not None else "stopped"
        self.ending = self.ending or ending
        # What ends as it should is no news: one line for each login.
        level = logging.DEBUG if relay.ending is Ending.CLOSED else logging.INFO
        if log.isEnabledFor(level):
            up, down = relay.octets
            fields = {
                "listener": self._server.section,
                "account": self.account,
                "client": self._peer,
                "ending": ending,
                "octets_up": up,
                "octets_down": down,
                "seconds": round(trio.current_time() - relay.started, 1),
            }
            told = "%s session of %s from %s ended: %s; %d octets up, %d down in %.0f s"
            log.log(level, told, *fields.values(), extra=fields)

    def _tap(self) -> Callable[[memoryview, bool], None] | None:
        """What watches the relay: nothing, with ``--debug`` the counts, with ``--debug-content`` everything."""
        if content.isEnabledFor(logging.DEBUG):
            return lambda data, to_client: content.debug("%s %s %r", self._peer, _ARROWS[to_client], bytes(data))
        if log.isEnabledFor(logging.DEBUG):
            return lambda data, to_client: log.debug("%s %s [%d octets]", self._peer, _ARROWS[to_client], len(data))
        return None

    # --- parts --------------------------------------------------------------------------------------------------------

    def _peer_certificate(self) -> PeerCertificate | None:
        """The client's, if the listener asks for certificates."""
        return PeerCertificate.of(self._client.tls) if self._server.client_certificates is not None else None

    async def _start_tls(self, context: ssl.SSLContext) -> bool:
        """Shake hands with the client; False if that failed (and was logged)."""
        problem = f"no TLS handshake within {HANDSHAKE_LIMIT:.0f} s"
        with trio.move_on_after(HANDSHAKE_LIMIT):
            try:
                await self._client.start_tls(lambda i, o: context.wrap_bio(i, o, server_side=True))
            except OSError as error:
                problem = f"TLS with the client failed: {error}"
            else:
                return True
        log.info("%s %s: %s", self._server.section, self._peer, problem)
        self.ending = problem
        return False

    async def _send(self, data: bytes) -> None:
        if not data:
            return
        self._transcript.sent(data)
        await _deliver(self._client, data)

    async def _abort(self, kind: FailureKind, text: str, detail: str) -> None:
        assert self._machine is not None
        failure = Failure(kind, text, detail)
        self.ending = detail
        fields = {"listener": self._server.section, "client": self._peer, "ref": failure.reference}
        log.warning("%s %s: %s (ref %s)", self._server.section, self._peer, detail, failure.reference, extra=fields)
        self._machine.abort(failure)
        await self._send(self._machine.data_to_send())

    def _log_login(self, account: str, mechanism: str, started: float, failure: Failure | None) -> None:
        """The one line per login, and the word to whoever watches."""
        shown = account[:128]
        if not shown.isprintable():
            shown = "".join(c if c.isprintable() else "?" for c in shown)
        milliseconds = round((trio.current_time() - started) * 1000, 1)
        self._services.audience.login_finished(self, shown, mechanism, failure, milliseconds)
        level = logging.INFO if failure is None else logging.WARNING
        if not log.isEnabledFor(level):
            return
        fields: dict[str, object] = {
            "account": shown,
            "client": self._peer,
            "protocol": self._server.protocol.value,
            "listener": self._server.section,
            "mechanism": mechanism,
            "outcome": "ok" if failure is None else failure.kind.value,
            "milliseconds": milliseconds,
        }
        ending = ""
        if failure is not None:
            fields["ref"] = failure.reference
            ending = f" ref={failure.reference}: {failure.detail}"
        log.log(
            level,
            "%s login account=%s client=%s mechanism=%r outcome=%r ms=%s%s",
            *(fields[name] for name in ("listener", "account", "client", "mechanism", "outcome", "milliseconds")),
            ending,
            extra=fields,
        )


async def _deliver(connection: Connection, data: bytes) -> None:
    """Send `data`; a deadline is only made when the kernel does not take it at once.

    Raises:
        OSError: the connection is broken, or the peer does not read.
    """
    if data and not connection.send_nowait(data):
        with trio.move_on_after(SEND_LIMIT) as scope:
            await connection.flush()
        if scope.cancelled_caught:
            raise TimeoutError("the peer does not read")


def goodbye(protocol: MailProtocol, failure: Failure) -> bytes:
    """The line that ends a connection from our side."""
    match protocol:
        case MailProtocol.IMAP:
            return imap_bye(failure.kind, told(failure))
        case MailProtocol.POP:
            return pop3_err(failure.kind, told(failure))
        case MailProtocol.SMTP:
            return smtp_goodbye(failure.kind, told(failure))


def _no_certificate() -> Failure:
    return Failure(
        FailureKind.MISCONFIGURED,
        "A client certificate is needed here, so TLS must be started first.",
        "client_certificates = required, and the client logs in without STARTTLS; let it use TLS and a certificate",
    )


def _not_looked_at() -> Failure:
    return Failure(
        FailureKind.TEMPORARY,
        "Too many failed logins from your address, please try again later.",
        "this address goes on failing to log in as this user, so most of its passwords are not looked at; logins from "
        "elsewhere are",
    )
