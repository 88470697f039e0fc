"""Keys and certificates for tests, each made once: an RSA key takes a tenth of a second."""

from __future__ import annotations

import functools
import json

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12

from .test_certificates import certificate_pem, key_pem

PASSPHRASE = "open sesame ä"


@functools.cache
def _rsa_key(number: int, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One of several keys."""
    return _rsa_key(number, bits)


@functools.cache
def _certificate(number: int) -> bytes:
    return certificate_pem(rsa_key(number))


def certificate(number: int = 0) -> bytes:
    """One of several certificates; always the same, though it is dated."""
    return _certificate(number)


def key(number: int = 0, passphrase: str | None = None) -> bytes:
    return key_pem(rsa_key(number), BestAvailableEncryption(passphrase.encode()) if passphrase else None)


def pfx(passphrase: str | None = None, *, with_key: bool = True, with_certificate: bool = True) -> bytes:
    return pkcs12.serialize_key_and_certificates(
        b"mail",
        rsa_key() if with_key else None,
        x509.load_pem_x509_certificate(certificate()) if with_certificate else None,
        None,
        BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption(),
    )


def google_key(**changes: object) -> str:
    """What the console of Google hands out."""
    fields: dict[str, object] = {
        "type": "service_account",
        "project_id": "mail",
        "private_key_id": "0123456789abcdef",
        "private_key": key().decode(),
        "client_email": "proxy@mail.iam.gserviceaccount.com",
        "client_id": "1234567890",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not None})
