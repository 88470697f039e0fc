"""Which machine serves a mail client of this listener, and what did the client tell it of itself?"""

from __future__ import annotations

import platform

from emailproxy.config import MailProtocol, Server
from emailproxy.protocols.events import Downstream
from emailproxy.protocols.exchanges import Exchanges
from emailproxy.protocols.imap import DownstreamImap
from emailproxy.protocols.pop3 import DownstreamPop3
from emailproxy.protocols.smtp import DownstreamSmtp
from emailproxy.upstream import ClientHello, UpstreamServers

__all__ = ["client_hello", "downstream"]


def downstream(
    server: Server, upstreams: UpstreamServers, exchanges: Exchanges, *, tls: bool, without_login: bool
) -> Downstream:
    """The machine of one session.

    Args:
        server: what the listener stands for.
        upstreams: knows what the mail server offers.
        exchanges: mechanisms besides passwords and tokens.
        tls: whether there is a certificate, and so STARTTLS where that is asked for.
        without_login: whether this client may send mail without a login.
    """
    capabilities = upstreams.capabilities(server.mail_server)
    starttls = server.local_starttls and tls
    passing = server.pass_tokens
    match server.protocol:
        case MailProtocol.IMAP:
            return DownstreamImap(
                capabilities=capabilities, starttls=starttls, pass_tokens=passing, exchanges=exchanges
            )
        case MailProtocol.POP:
            return DownstreamPop3(
                capabilities=capabilities, starttls=starttls, pass_tokens=passing, exchanges=exchanges
            )
        case MailProtocol.SMTP:
            return DownstreamSmtp(
                capabilities=capabilities,
                starttls=starttls,
                hostname=platform.node() or "localhost",
                pass_tokens=passing,
                exchanges=exchanges,
                without_login=without_login,
            )


def client_hello(machine: Downstream) -> ClientHello:
    """What the client told of itself, for the mail server."""
    match machine:
        case DownstreamImap():
            return ClientHello(imap_id=machine.client_id)
        case DownstreamSmtp():
            return ClientHello(smtp_name=machine.client_name)
        case _:
            return ClientHello()
