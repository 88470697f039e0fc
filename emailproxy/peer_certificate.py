"""What does a mail client's TLS certificate say about who it is? Names and a fingerprint, which OpenSSL verified."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from typing import cast

__all__ = ["PeerCertificate"]

_Pairs = tuple[tuple[str, str], ...]
_Subject = tuple[_Pairs, ...]


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A certificate that a CA of the operator's signed."""

    fingerprint: str
    """SHA-256 of the whole certificate, 64 hexadecimal digits in small letters."""
    mailboxes: tuple[str, ...]
    """Mail addresses, the SAN's (rfc822Name, RFC 5280, section 4.2.1.6) before the subject's."""
    names: tuple[str, ...]
    """All that may name its owner: mail addresses, host names, and the subject's common names."""

    @classmethod
    def of(cls, tls: ssl.SSLObject | None) -> PeerCertificate | None:
        """The peer's; None in plain text, or if it showed none that was verified."""
        octets = tls.getpeercert(binary_form=True) if tls is not None else None
        fields = tls.getpeercert() if tls is not None else None
        if not octets or not fields:  # OpenSSL keeps an unverified one too, whose fields are not given out
            return None
        subject = [pair for relative in cast("_Subject", fields.get("subject", ())) for pair in relative]
        others = cast("_Pairs", fields.get("subjectAltName", ()))
        mailboxes = [value for kind, value in others if kind == "email"]
        mailboxes += [value for kind, value in subject if kind == "emailAddress"]
        hosts = [value for kind, value in others if kind == "DNS"]
        common = [value for kind, value in subject if kind == "commonName"]
        usable = [name for name in dict.fromkeys([*mailboxes, *hosts, *common]) if name and name.isprintable()]
        return cls(
            hashlib.sha256(octets).hexdigest(),
            tuple(name for name in dict.fromkeys(mailboxes) if name in usable),
            tuple(usable),
        )

    def __str__(self) -> str:
        return f"the certificate of {' and '.join(self.names) or 'nobody'} (sha256:{self.fingerprint[:16]}...)"
