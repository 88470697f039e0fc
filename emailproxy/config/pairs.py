"""What is wrong with a certificate and its key? The library that knows all their forms says it here.

It takes long to load, so `emailproxy.config.certificates` asks only when there may be something wrong.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from emailproxy.config.certificates import PEM, read_octets
from emailproxy.config.options import Reader
from emailproxy.references.base import Fetched

__all__ = ["certificate_ends", "examine_pair", "is_authority"]


def examine_pair(reader: Reader, certificate_option: str, key_option: str) -> bool:
    """Read the files that two options name, or what they refer to, and note what is wrong with them.

    The key may stand in the certificate's file; then its option is left out.

    Returns:
        Whether there is a certificate to use.
    """
    certificate_path, key_path = reader.path(certificate_option), reader.path(key_option)
    if certificate_path is None:
        return False
    pem = read_octets(reader, certificate_option, certificate_path)
    certificate = _certificate(reader, certificate_option, certificate_path, pem) if pem is not None else None
    if key_path is None:
        if pem is None:
            return False
        if b"PRIVATE KEY-----" not in pem:
            reader.fault(key_option, f"there is a {certificate_option} but no key", "add the path of its private key")
            return False
        key_pem, key_path, key_option = pem, certificate_path, certificate_option
    else:
        read = read_octets(reader, key_option, key_path)
        if read is None:
            return False
        key_pem = read
    key = _key(reader, key_option, key_path, key_pem)
    if key is None or certificate is None:
        return False
    if _public(key.public_key()) != _public(certificate.public_key()):
        reader.fault(key_option, f"{key_path} is not the key of {certificate_path}", "name the key that belongs to it")
        return False
    _check_validity(reader, certificate_option, certificate_path, certificate)
    return True


def certificate_ends(source: Path | Fetched | None) -> float | None:
    """Unix time at which the certificate in `source` ends; None if there is none that can be read. Reads a file."""
    try:
        pem = source.value.octets if isinstance(source, Fetched) else source.read_bytes() if source is not None else b""
        return x509.load_pem_x509_certificates(pem)[0].not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return None


def is_authority(octets: bytes) -> bool:
    """Whether these are certificates in PEM."""
    try:
        x509.load_pem_x509_certificates(octets)
    except ValueError:
        return False
    return True


def _certificate(reader: Reader, option: str, path: Path | Fetched, pem: bytes) -> x509.Certificate | None:
    try:
        # The first is the server's own, the rest its chain.
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        reader.fault(option, f"{path} holds no certificate that can be read", PEM)
        return None


def _key(reader: Reader, option: str, path: Path | Fetched, pem: bytes) -> PrivateKeyTypes | None:
    try:
        return load_pem_private_key(pem, password=None)
    except TypeError:
        reader.fault(option, f"{path} is encrypted", "store the key without a passphrase, readable by the proxy only")
    except (ValueError, UnsupportedAlgorithm):
        reader.fault(option, f"{path} holds no private key that can be read", PEM)
    return None


def _public(key: object) -> bytes:
    # Every public key type of the library has it; the union of them has no common ancestor.
    octets: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return octets


def _check_validity(reader: Reader, option: str, path: Path | Fetched, certificate: x509.Certificate) -> None:
    now = dt.datetime.now(dt.UTC)
    if certificate.not_valid_after_utc < now:
        reader.warn(option, f"{path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}", "renew the certificate")
    elif certificate.not_valid_before_utc > now:
        reader.warn(option, f"{path} begins on {certificate.not_valid_before_utc:%Y-%m-%d}", "check the clock")
