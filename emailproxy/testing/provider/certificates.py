"""Whose certificate do the simulated servers show? One of a certification authority made for this run."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from emailproxy.failures import ProxyError

__all__ = ["Certificates", "ExtraMissingError", "make_certificates"]

HOSTS = ("localhost", "127.0.0.1", "::1")


class ExtraMissingError(ProxyError):
    """A package that only the demonstration and tests need is not installed; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """A server context, and what a client must trust."""

    context: ssl.SSLContext
    ca_path: Path
    """PEM file of the authority, for ``SSL_CERT_FILE`` or ``curl --cacert``."""
    certificate_path: Path
    """PEM file of the server's certificate, and of its key: a proxy under test may use them downstream."""
    key_path: Path


def make_certificates(folder: Path, *names: str) -> Certificates:
    """Make an authority and a certificate for localhost, and write their files to `folder`.

    Args:
        folder: receives the files.
        names: more hosts that the certificate is for.

    Raises:
        ExtraMissingError: trustme is not installed.
    """
    try:
        import trustme
    except ImportError:
        raise ExtraMissingError(
            "the simulated mail provider needs certificates made by trustme, which is not installed: "
            "pip install 'emailproxy-cloud[demo]'"
        ) from None
    authority = trustme.CA(organization_name="emailproxy simulated provider")
    certificate = authority.issue_cert(*HOSTS, *names)
    ca_path, certificate_path, key_path = folder / "ca.pem", folder / "server.pem", folder / "server.key"
    authority.cert_pem.write_to_path(str(ca_path))
    for index, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(str(certificate_path), append=index > 0)
    key_path.touch(mode=0o600)
    certificate.private_key_pem.write_to_path(str(key_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_path, key_path)
    return Certificates(context, ca_path, certificate_path, key_path)
