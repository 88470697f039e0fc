"""Whose certificates let mail clients in on a port, and into which accounts? ``client_ca_path`` and its companions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emailproxy.config.certificates import read_octets
from emailproxy.config.deferred import is_authority
from emailproxy.config.model import ClientCertificates
from emailproxy.config.options import Reader
from emailproxy.references.base import Fetched

__all__ = ["CERTIFICATE_OPTIONS", "read_client_certificates"]

CERTIFICATE_OPTIONS: Final = frozenset({"client_ca_path", "client_certificates", "client_certificate_accounts"})

_FINGERPRINT: Final = re.compile(r"sha256:((?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2})")
_EXAMPLE: Final = "write, for instance, lobby-scanner scanner@example.com, sha256:9F86...A08 fax@example.com"


def read_client_certificates(reader: Reader) -> ClientCertificates | None:
    """Who is let in by certificate; None: nobody, or a fault."""
    authority = reader.path("client_ca_path")
    needed = reader.choice("client_certificates", ("optional", "required")) == "required"
    accounts = _read_accounts(reader)
    if authority is None:
        for option in ("client_certificates", "client_certificate_accounts"):
            if reader.text(option) is not None:
                reader.fault(option, "nobody's certificates are trusted here", "add client_ca_path, or remove this")
        return None
    if reader.placeholder("client_ca_path"):
        return None
    if reader.text("local_certificate_path") is None:
        reader.fault(
            "client_ca_path",
            "without TLS there are no certificates",
            "add local_certificate_path and local_key_path, or remove this",
        )
        return None
    return ClientCertificates(authority, needed, accounts) if _is_authority(reader, authority) else None


def _is_authority(reader: Reader, path: Path | Fetched) -> bool:
    octets = read_octets(reader, "client_ca_path", path)
    if octets is None:
        return False
    if not is_authority(octets):
        reader.fault(
            "client_ca_path",
            f"{path} holds no certificate that can be read",
            "name a PEM file with the certificates of the CAs that issue those of your clients",
        )
        return False
    return True


def _read_accounts(reader: Reader) -> tuple[tuple[str, str], ...]:
    """Fingerprints and names, folded, with the account of each."""
    text = reader.text("client_certificate_accounts")
    found: dict[str, str] = {}
    for line in re.split(r"[\n,]", text or ""):
        if not line.strip():
            continue
        name, _, account = line.strip().rpartition(" ")
        name = name.strip()
        if not name or not account.isprintable():
            reader.fault("client_certificate_accounts", "an entry is not a name and an account", _EXAMPLE)
            return ()
        if name.casefold().startswith("sha256:"):
            match = _FINGERPRINT.fullmatch(name.casefold())
            if match is None:
                reader.fault("client_certificate_accounts", "a fingerprint has not 64 hexadecimal digits", _EXAMPLE)
                return ()
            name = f"sha256:{match[1].replace(':', '')}"
        if found.setdefault(name.casefold(), account) != account:
            reader.fault("client_certificate_accounts", "a name leads to two accounts", "name each certificate once")
            return ()
    return tuple(found.items())
