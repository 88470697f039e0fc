"""Which TLS do we speak, and with whom did we speak it before? Contexts, and the tickets that make the next one cheap.

Towards mail servers: TLS 1.2 or newer, verified against the system's roots (OpenSSL also honours ``SSL_CERT_FILE``),
with SNI. Towards mail clients: a certificate of the operator's. No I/O here: `emailproxy.connection` does it.
"""

from __future__ import annotations

import os
import ssl
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from emailproxy.secret import Secret

__all__ = ["UpstreamTls", "downstream_context"]

_VERSIONS: Final = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


RENEWAL: Final = 300.0
"""Seconds between two copies of a server's ticket. Every copy leaked 6.5 KB in the Python versions measured (3.11.2,
3.11.7, 3.12.1, 3.13.0): a server that never resumes would cost that at each login, so it is 2 MB a day at the most."""


class UpstreamTls:
    """One client context for all mail servers, and the last session ticket of each.

    A resumed handshake needs no certificate chain to be sent or verified (RFC 8446 section 2.2), which is most of what
    a login costs. One ticket for each server is kept: the table is as long as the configuration's list of servers.
    """

    def __init__(self, context: ssl.SSLContext | None = None, now: Callable[[], float] = time.monotonic) -> None:
        if context is None:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            # In the middle of one (TLS 1.2) nothing can be written, and the relay would take that for a broken server.
            context.options |= ssl.OP_NO_RENEGOTIATION
        self._context = context
        self._now = now
        self._tickets: dict[tuple[str, int], ssl.SSLSession] = {}
        self._renewals: dict[tuple[str, int], float] = {}

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str, port: int) -> ssl.SSLObject:
        """A client's TLS object for `host` over memory BIOs, resuming the last session if there is a ticket."""
        return self._context.wrap_bio(
            incoming,
            outgoing,
            server_side=False,
            # As octets, where there is nothing to encode: the codec for international names is slow Python.
            server_hostname=host.encode() if host.isascii() else host,
            session=self._tickets.get((host, port)),
        )

    def remember(self, host: str, port: int, tls: ssl.SSLObject) -> None:
        """Keep the ticket of a working connection. TLS 1.3 sends it behind the handshake: call after a read.

        A resumed connection's own ticket is left alone, and of others one in `RENEWAL` seconds is taken: to copy a
        session out of OpenSSL costs as much as a handshake.
        """
        if tls.session_reused:
            return
        now = self._now()
        if now < self._renewals.get((host, port), now):
            return
        self._renewals[host, port] = now + RENEWAL
        session = tls.session
        if session is not None and session.has_ticket:
            self._tickets[host, port] = session

    def forget(self, host: str, port: int) -> None:
        """Drop the ticket, after a handshake that failed: the next one is a full one."""
        self._tickets.pop((host, port), None)


def downstream_context(
    certificate: Path | Secret,
    key: Path | Secret | None,
    min_tls: str,
    *,
    client_authority: Path | Secret | None = None,
    client_required: bool = False,
) -> ssl.SSLContext:
    """A server context for a listener.

    Args:
        certificate: PEM file of the certificate and its chain, or its content.
        key: PEM file of its key, or its content; None if that is with the certificate.
        min_tls: the oldest version allowed, ``1.0`` to ``1.3``.
        client_authority: PEM file, or its content, of the CAs that sign clients' certificates, and of their revocation
            lists; None: clients are not asked for one.
        client_required: whether a client without one is turned away.

    Raises:
        OSError: a file cannot be read.
        ssl.SSLError: not a certificate, not its key, or a key with a passphrase.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION  # OpenSSL 1.1.1 lets strangers ask for handshakes without end
    if min_tls < "1.2":
        # OpenSSL 3 refuses the older versions' signatures above security level 0, whatever the minimum says.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is why somebody asked for them
        context.minimum_version = _VERSIONS[min_tls]
    # An empty passphrase instead of OpenSSL's prompt on the terminal, which would stop the proxy for ever.
    with ExitStack() as files:
        chain = files.enter_context(_file(certificate))
        context.load_cert_chain(chain, files.enter_context(_file(key)) if key is not None else None, password="")
        if client_authority is not None:
            authority = files.enter_context(_file(client_authority))
            context.load_verify_locations(authority)
            if b"-----BEGIN X509 CRL-----" in authority.read_bytes():
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
            context.verify_mode = ssl.CERT_REQUIRED if client_required else ssl.CERT_OPTIONAL
    return context


@contextmanager
def _file(source: Path | Secret) -> Iterator[Path]:
    """A path for OpenSSL, which reads certificates and keys from files only.

    Content gets a file that lives in memory alone and ends with this context (Linux; nothing can be left behind, even
    by a crash). Elsewhere it is a temporary file that nobody else may open, removed at once.
    """
    if isinstance(source, Path):
        yield source
        return
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
        try:
            _write(descriptor, source.octets)
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return
    descriptor, name = tempfile.mkstemp()  # mode 0600
    try:
        try:
            _write(descriptor, source.octets)
        finally:
            os.close(descriptor)
        yield Path(name)
    finally:
        Path(name).unlink()


def _write(descriptor: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(descriptor, octets) :]
