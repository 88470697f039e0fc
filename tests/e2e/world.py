"""What stands around the proxy in every test: an authority, an OAuth server, a mail server, a place for sent mail."""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from .dovecot import Dovecot
from .oauth_server import OAuthServer
from .smtp_sink import Sink

__all__ = ["World", "missing_programs", "world"]

_NEEDED = {
    "node": "Node.js 20 (for oidc-provider)",
    "dovecot": "the Debian packages dovecot-imapd, dovecot-pop3d, dovecot-submissiond",
}


@dataclass(frozen=True, slots=True)
class World:
    """Everything but the proxy."""

    folder: Path
    authority: Path
    certificate: Path
    key: Path
    tls: ssl.SSLContext
    """For clients: trusts the authority only."""
    oauth: OAuthServer
    dovecot: Dovecot


def search_path() -> str:
    """Where programs are, system daemons included, which a plain user's PATH leaves out."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


def missing_programs() -> list[str]:
    """What to install before any of these tests can run; empty if nothing."""
    return [what for name, what in _NEEDED.items() if shutil.which(name, path=search_path()) is None]


@contextmanager
def world() -> Iterator[World]:
    """Start the servers; end them, however the tests end."""
    with ExitStack() as stack:
        # Not pytest's tmp_path: Dovecot's mail processes run as another user and must be able to walk to the mail, and
        # the paths of its UNIX sockets have to stay under 108 octets.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="e2e-")))
        folder.chmod(0o755)
        authority, certificate, key = _certificates(folder)
        tls = ssl.create_default_context(cafile=str(authority))
        oauth = OAuthServer(folder, certificate, key, tls)
        stack.callback(oauth.process.stop)
        sink = Sink()
        stack.callback(sink.stop)
        dovecot = Dovecot(
            folder,
            certificate=certificate,
            key=key,
            authority=authority,
            introspection_url=oauth.introspection_url,
            relay_port=sink.port,
        )
        stack.callback(dovecot.process.stop)
        sink.deliver_with(dovecot.deliver)
        yield World(folder, authority, certificate, key, tls, oauth, dovecot)


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    authority = trustme.CA()
    # fetchmail 6.4 insists on a common name.
    leaf = authority.issue_cert("localhost", "127.0.0.1", "::1", common_name="localhost")
    paths = folder / "authority.pem", folder / "certificate.pem", folder / "key.pem"
    authority.cert_pem.write_to_path(paths[0])
    for blob in leaf.cert_chain_pems:
        blob.write_to_path(paths[1], append=True)
    leaf.private_key_pem.write_to_path(paths[2])
    return paths
