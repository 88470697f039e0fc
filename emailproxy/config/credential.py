"""Which certificate and which key are these octets? PEM or PKCS #12 (PFX), also in Base64, also encrypted.

No message repeats what was read, and no error of the library that parsed it is chained: it may quote it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from emailproxy.config.certificates import MAX_OCTETS
from emailproxy.config.errors import CredentialError, Part
from emailproxy.secret import Secret

__all__ = ["MAX_OCTETS", "Credential", "CredentialError", "Part", "parse_credential", "parse_rsa_key"]

LEAST_BITS: Final = 2048
"""RFC 7518 section 3.3: "A key of size 2048 bits or larger MUST be used"."""

_CERTIFICATE: Final = "jwt_certificate_path"
_KEY: Final = "jwt_key_path"
_PASSPHRASE: Final = "jwt_key_passphrase"  # noqa: S105 - an option's name


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and the RSA key that belongs to it."""

    certificate: x509.Certificate = field(repr=False)
    key: RSAPrivateKey = field(repr=False)


def parse_credential(certificate: bytes, key: bytes | None, passphrase: Secret | None) -> Credential:
    """Read a certificate and its key.

    Args:
        certificate: a certificate in PEM, its chain behind it; or PKCS #12 with both.
        key: the key in PEM; None: it is with the certificate.
        passphrase: what the key, or the PKCS #12 file, is encrypted with.

    Raises:
        CredentialError: one of them cannot be used, or they do not belong together.
    """
    pfx = _pkcs12(certificate)
    if pfx is not None:
        found = _from_pkcs12(pfx, passphrase)
    else:
        if key is None and b"PRIVATE KEY-----" not in certificate:
            raise CredentialError(_KEY, "there is a certificate but no key", "add the path of its private key")
        option = _KEY if key is not None else _CERTIFICATE
        found = Credential(_pem_certificate(certificate), parse_rsa_key(key or certificate, passphrase, option))
    if found.key.public_key() != found.certificate.public_key():
        raise CredentialError(_KEY, "this is not the key of the certificate", "name the key that belongs to it")
    return found


def parse_rsa_key(pem: bytes, passphrase: Secret | None, option: Part) -> RSAPrivateKey:
    """Read an RSA key in PEM, which the configuration has in `option`.

    Raises:
        CredentialError: it cannot be used.
    """
    try:
        key = _pem_key(pem, passphrase.octets if passphrase else None)
    except ValueError:
        if passphrase:
            raise CredentialError(_PASSPHRASE, "the key cannot be opened with it", "correct the passphrase") from None
        raise CredentialError(option, "this is no private key that can be read", "write a key in PEM format") from None
    except TypeError:
        raise CredentialError(
            option, "the key is encrypted, and there is no passphrase", f"add {_PASSPHRASE}, best as a reference"
        ) from None
    except UnsupportedAlgorithm:
        raise CredentialError(option, "the key is of a kind that is not known", "name an RSA key") from None
    return _usable(key, option)


def _pem_key(pem: bytes, passphrase: bytes | None) -> object:
    try:
        return load_pem_private_key(pem, passphrase)
    except TypeError:
        if passphrase is None:
            raise
        return load_pem_private_key(pem, None)  # a passphrase that the key does not need does no harm


def _usable(key: object, option: Part) -> RSAPrivateKey:
    if not isinstance(key, RSAPrivateKey):
        raise CredentialError(option, "this is not an RSA key", "name an RSA key: assertions are signed with one")
    if key.key_size < LEAST_BITS:
        raise CredentialError(option, f"the key has {key.key_size} bits", f"make one of {LEAST_BITS} bits or more")
    return key


def _pem_certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(pem)[0]  # the rest is its chain
    except ValueError:
        raise CredentialError(
            _CERTIFICATE, "this is no certificate that can be read", "name a file in PEM or PKCS #12 format"
        ) from None


def _pkcs12(octets: bytes) -> bytes | None:
    """The PKCS #12 structure in `octets`, None if it is something else. Key Vault hands it out in Base64."""
    if b"-----BEGIN " in octets:
        return None
    if octets[:1] == b"\x30":  # an ASN.1 SEQUENCE
        return octets
    try:
        decoded = base64.b64decode(b"".join(octets.split()), validate=True)
    except binascii.Error:
        return None
    return decoded if decoded[:1] == b"\x30" else None


def _from_pkcs12(octets: bytes, passphrase: Secret | None) -> Credential:
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(octets, passphrase.octets if passphrase else None)
    except (ValueError, TypeError):
        raise CredentialError(
            _CERTIFICATE,
            "this PKCS #12 content cannot be opened",
            f"check {_PASSPHRASE}, and that the file is whole"
            if passphrase
            else f"add its passphrase as {_PASSPHRASE}",
        ) from None
    except UnsupportedAlgorithm:
        raise CredentialError(
            _CERTIFICATE, "it is encrypted in a way that is not known", "export it with AES-256"
        ) from None
    if certificate is None or key is None:
        missing = "private key" if key is None else "certificate"
        raise CredentialError(_CERTIFICATE, f"there is no {missing} in this PKCS #12 content", "export both together")
    return Credential(certificate, _usable(key, _CERTIFICATE))
