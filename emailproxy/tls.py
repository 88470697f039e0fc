"""Which TLS do we speak, and with whom did we speak it before? Contexts, and the tickets that make the next one cheap.

Towards mail servers: TLS 1.2 or newer, verified against the system's roots (OpenSSL also honours ``SSL_CERT_FILE``),
with SNI. Towards mail clients: a certificate of the operator's. No I/O here: `emailproxy.connection` does it.
"""

from __future__ import annotations

import ssl
from pathlib import Path

__all__ = ["UpstreamTls", "downstream_context"]


class UpstreamTls:
    """One client context for all mail servers, and the last session ticket of each.

    A resumed handshake needs no certificate chain to be sent or verified (RFC 8446 section 2.2), which is most of what
    a login costs. One ticket for each server is kept: the table is as long as the configuration's list of servers.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        if context is None:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context = context
        self._tickets: dict[tuple[str, int], ssl.SSLSession] = {}

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str, port: int) -> ssl.SSLObject:
        """A client's TLS object for `host` over memory BIOs, resuming the last session if there is a ticket."""
        return self._context.wrap_bio(
            incoming, outgoing, server_side=False, server_hostname=host, session=self._tickets.get((host, port))
        )

    def remember(self, host: str, port: int, tls: ssl.SSLObject) -> None:
        """Keep the ticket of a working connection. TLS 1.3 sends it behind the handshake: call after a read.

        A resumed connection's own ticket is left alone: to copy a session out of OpenSSL costs as much as a handshake.
        """
        if tls.session_reused:
            return
        session = tls.session
        if session is not None and session.has_ticket:
            self._tickets[host, port] = session

    def forget(self, host: str, port: int) -> None:
        """Drop the ticket, after a handshake that failed: the next one is a full one."""
        self._tickets.pop((host, port), None)


def downstream_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """A server context for a listener.

    Raises:
        OSError: a file cannot be read.
        ssl.SSLError: not a certificate, not its key, or a key with a passphrase.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # An empty passphrase instead of OpenSSL's prompt on the terminal, which would stop the proxy for ever.
    context.load_cert_chain(certificate, key, password="")
    return context
