"""How does the simulated provider start and stop? All its servers in one nursery, behind one handle."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Final

import trio

from emailproxy.testing.provider.certificates import Certificates, make_certificates
from emailproxy.testing.provider.http import serve_http
from emailproxy.testing.provider.imap import ImapSession
from emailproxy.testing.provider.mailbox import Folder, Mailbox
from emailproxy.testing.provider.oauth import AUTHORIZATION_PATH, CONTROL_PATH, TOKEN_PATH, OAuthServer
from emailproxy.testing.provider.pop3 import Pop3Session
from emailproxy.testing.provider.profile import GENERIC, Profile
from emailproxy.testing.provider.sasl import Gate
from emailproxy.testing.provider.smtp import SmtpSession
from emailproxy.testing.provider.switches import Counters, Switches
from emailproxy.testing.provider.tokens import TokenIssuer
from emailproxy.testing.provider.wire import Disconnected, Wire

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "HOST",
    "PUBLIC_CLIENT_ID",
    "USER",
    "Provider",
    "ProviderOptions",
    "open_provider",
    "serve_provider",
]

HOST: Final = "127.0.0.1"
"""The only address listened on. The certificate also names ``localhost``."""

USER: Final = "user@example.com"
CLIENT_ID: Final = "simulated-client"
CLIENT_SECRET: Final = "simulated-client-secret"  # noqa: S105 - opens nothing but this provider
PUBLIC_CLIENT_ID: Final = "simulated-public-client"

BACKLOG: Final = 4096
"""Connections waiting to be accepted: a benchmark opens thousands at once (the kernel may allow fewer)."""


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """What is decided before the start."""

    profile: Profile = GENERIC
    users: Mapping[str, str] = field(default_factory=lambda: {USER: "provider-password"})
    """Mailboxes, and the password that the password grant wants. Names in lower case; who asks may use any."""
    clients: Mapping[str, str | None] = field(
        default_factory=lambda: {CLIENT_ID: CLIENT_SECRET, PUBLIC_CLIENT_ID: None}
    )
    """OAuth clients and their secret; None: a public client."""
    oauth_tls: bool = False
    """The OAuth endpoints speak HTTPS."""
    tls_tickets: bool = True
    """False: no tickets are handed out, so that no TLS session can be resumed."""
    bulk_octets: int = 0
    """If not 0, each mailbox has a folder ``Bulk`` with one message of this size and a folder ``Sink`` that drops
    what is appended."""
    names: Sequence[str] = ()
    """More hosts that the certificate is for: a real provider's, where a test leads its names here."""


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """A running provider: where it is, and everything that a test may look at or change."""

    profile: Profile
    host: str
    imap_port: int
    """TLS from the first octet, like `pop3_port` and `smtp_port`."""
    pop3_port: int
    smtp_port: int
    imap_starttls_port: int
    pop3_stls_port: int
    smtp_starttls_port: int
    oauth_port: int
    authorization_url: str
    token_url: str
    control_url: str
    """GET: counters and switches as JSON; POST a JSON object: set switches."""
    certificates: Certificates
    mailboxes: Mapping[str, Mailbox]
    outbox: Folder
    """A copy of every message submitted."""
    issuer: TokenIssuer
    switches: Switches
    counters: Counters

    @property
    def ca_path(self) -> Path:
        """The PEM file that clients must trust (``SSL_CERT_FILE``)."""
        return self.certificates.ca_path

    @property
    def mailbox(self) -> Mailbox:
        """The first user's mailbox."""
        return next(iter(self.mailboxes.values()))

    def addresses(self) -> dict[str, str | int]:
        """What another process needs to know, ready for JSON."""
        names = [field.name for field in fields(self) if field.name.endswith(("port", "url")) or field.name == "host"]
        client_id, client_secret = next(iter(self.issuer.clients.items()))
        user, password = next(iter(self.issuer.passwords.items()))
        return {name: getattr(self, name) for name in names} | {
            "pid": os.getpid(),
            "ca_path": str(self.ca_path),
            "user": user,
            "password": password,
            "client_id": client_id,
            "client_secret": client_secret or "",
        }


async def serve_provider(
    folder: Path,
    options: ProviderOptions = ProviderOptions(),
    *,
    task_status: trio.TaskStatus[Provider] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve on free loopback ports until cancelled; `task_status` gets the `Provider` once every port listens.

    `folder` receives the certificate files.

    Raises:
        ExtraMissingError: trustme is not installed.
    """
    certificates = make_certificates(folder, *options.names)
    if not options.tls_tickets:
        certificates.context.num_tickets = 0
        certificates.context.options |= ssl.OP_NO_TICKET  # that of TLS 1.2
    switches, counters = Switches(), Counters()
    issuer = TokenIssuer(options.clients, options.users, switches, counters)
    mailboxes = {user: Mailbox(user) for user in options.users}
    if options.bulk_octets:
        for mailbox in mailboxes.values():
            _add_bulk_folders(mailbox, options.bulk_octets)
    outbox = Folder("outbox")
    gate = Gate(issuer, mailboxes, switches, counters)
    oauth = OAuthServer(issuer, options.users, switches, counters)
    context, profile = certificates.context, options.profile

    def imap(wire: Wire, upgrade: ssl.SSLContext | None) -> Awaitable[None]:
        return ImapSession(wire, gate, profile, upgrade).run()

    def pop3(wire: Wire, upgrade: ssl.SSLContext | None) -> Awaitable[None]:
        return Pop3Session(wire, gate, profile, upgrade).run()

    def smtp(wire: Wire, upgrade: ssl.SSLContext | None) -> Awaitable[None]:
        return SmtpSession(wire, gate, profile, upgrade, mailboxes, outbox).run()

    async def web(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await serve_http(_tls(stream, context) if options.oauth_tls else stream, oauth.handle)

    async with trio.open_nursery() as nursery:

        async def listen(handler: Callable[[trio.SocketStream], Awaitable[None]]) -> int:
            serve = partial(trio.serve_tcp, handler, 0, host=HOST, backlog=BACKLOG)
            listeners: Sequence[trio.SocketListener] = await nursery.start(serve)
            return int(listeners[0].socket.getsockname()[1])

        def mail(protocol: str, run: _Run, *, implicit: bool) -> Callable[[trio.SocketStream], Awaitable[None]]:
            return partial(_serve_mail, protocol, run, context, switches, counters, implicit)

        oauth_port = await listen(web)
        base = f"{'https' if options.oauth_tls else 'http'}://localhost:{oauth_port}"
        provider = Provider(
            profile=profile,
            host="localhost",
            imap_port=await listen(mail("imap", imap, implicit=True)),
            pop3_port=await listen(mail("pop3", pop3, implicit=True)),
            smtp_port=await listen(mail("smtp", smtp, implicit=True)),
            imap_starttls_port=await listen(mail("imap", imap, implicit=False)),
            pop3_stls_port=await listen(mail("pop3", pop3, implicit=False)),
            smtp_starttls_port=await listen(mail("smtp", smtp, implicit=False)),
            oauth_port=oauth_port,
            authorization_url=base + AUTHORIZATION_PATH,
            token_url=base + TOKEN_PATH,
            control_url=base + CONTROL_PATH,
            certificates=certificates,
            mailboxes=mailboxes,
            outbox=outbox,
            issuer=issuer,
            switches=switches,
            counters=counters,
        )
        task_status.started(provider)


@contextlib.asynccontextmanager
async def open_provider(options: ProviderOptions = ProviderOptions()) -> AsyncGenerator[Provider]:
    """A provider for the length of a block, its certificate files in a temporary folder.

    Raises:
        ExtraMissingError: trustme is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="emailproxy-provider-") as folder:
        async with trio.open_nursery() as nursery:
            yield await nursery.start(partial(serve_provider, Path(folder), options))
            nursery.cancel_scope.cancel()


_Run = Callable[[Wire, ssl.SSLContext | None], Awaitable[None]]


def _tls(stream: trio.SocketStream, context: ssl.SSLContext) -> trio.SSLStream[trio.SocketStream]:
    # Mail clients close without close_notify, so that we do not insist on it ("https_compatible").
    return trio.SSLStream(stream, context, server_side=True, https_compatible=True)


async def _serve_mail(
    protocol: str,
    run: _Run,
    context: ssl.SSLContext,
    switches: Switches,
    counters: Counters,
    implicit: bool,
    stream: trio.SocketStream,
) -> None:
    """One mail connection; what the peer does wrong ends here."""
    counters.connections[protocol] += 1
    if switches.drop_connections:
        return
    await trio.sleep(switches.mail_delay)
    wire = Wire(_tls(stream, context) if implicit else stream)
    with contextlib.suppress(Disconnected):
        await run(wire, None if implicit else context)
        await wire.aclose()


def _add_bulk_folders(mailbox: Mailbox, octets: int) -> None:
    bulk = Folder("Bulk")
    header = b"Subject: bulk\r\n\r\n"
    line = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/" + b"-" * 12 + b"\r\n"
    bulk.append((header + line * (octets // len(line) + 1))[:octets])
    mailbox.folders |= {"Bulk": bulk, "Sink": Folder("Sink", keeps=False)}
