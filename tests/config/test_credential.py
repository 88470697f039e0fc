"""Certificates and keys in every form, and what is said about those that cannot be used."""

from __future__ import annotations

import base64
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from emailproxy.config.credential import CredentialError, parse_credential, parse_rsa_key
from emailproxy.secret import Secret

from .keys import PASSPHRASE, certificate, key, pfx, rsa_key
from .test_certificates import certificate_pem, key_pem

OPEN = Secret(PASSPHRASE)


@pytest.mark.parametrize(
    ("octets", "private", "passphrase"),
    [
        (certificate(), key(), None),
        (certificate() + key(), None, None),
        (certificate(), key(passphrase=PASSPHRASE), OPEN),
        (certificate() + key(passphrase=PASSPHRASE), None, OPEN),
        (certificate(), key(), OPEN),
        (pfx(), None, None),
        (pfx(PASSPHRASE), None, OPEN),
        (base64.b64encode(pfx()), None, None),
        (base64.encodebytes(pfx(PASSPHRASE)), None, OPEN),
    ],
    ids=[
        "two files",
        "one file",
        "encrypted",
        "encrypted in one file",
        "a passphrase too many",
        "PFX",
        "encrypted PFX",
        "as Key Vault gives it",
        "Base64 in lines",
    ],
)
def test_forms(octets: bytes, private: bytes | None, passphrase: Secret | None) -> None:
    found = parse_credential(octets, private, passphrase)
    assert found.key.private_numbers() == rsa_key().private_numbers()
    assert found.certificate.public_key() == rsa_key().public_key()
    assert repr(found) == "Credential()"


def test_a_key_of_openssl_as_it_was() -> None:
    old = rsa_key().private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(PASSPHRASE.encode())
    )
    assert b"Proc-Type: 4,ENCRYPTED" in old
    assert parse_rsa_key(old, OPEN, "jwt_key_path").key_size == 2048


EC = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("octets", "private", "passphrase", "said"),
    [
        (b"hello", key(), None, "jwt_certificate_path: this is no certificate that can be read"),
        (certificate(), b"hello", None, "jwt_key_path: this is no private key that can be read"),
        (certificate(), None, None, "jwt_key_path: there is a certificate but no key"),
        (certificate(), key(1), None, "jwt_key_path: this is not the key of the certificate"),
        (certificate(), key(passphrase=PASSPHRASE), None, "jwt_key_path: the key is encrypted, and there is no passph"),
        (certificate(), key(passphrase=PASSPHRASE), Secret("wrong-one"), "jwt_key_passphrase: the key cannot be open"),
        (certificate_pem(EC), key_pem(EC), None, "jwt_key_path: this is not an RSA key"),
        (certificate(), key_pem(rsa_key(2, 1024)), None, "jwt_key_path: the key has 1024 bits"),
        (pfx(PASSPHRASE), None, None, "jwt_certificate_path: this PKCS #12 content cannot be opened; add its passphr"),
        (pfx(PASSPHRASE), None, Secret("wrong-one"), "jwt_certificate_path: this PKCS #12 content cannot be opened"),
        (pfx()[:-40], None, None, "jwt_certificate_path: this PKCS #12 content cannot be opened"),
        (pfx(with_key=False), None, None, "jwt_certificate_path: there is no private key in this PKCS #12"),
        (b"", None, None, "jwt_key_path: there is a certificate but no key"),
    ],
)
def test_what_cannot_be_used(octets: bytes, private: bytes | None, passphrase: Secret | None, said: str) -> None:
    with pytest.raises(CredentialError) as caught:
        parse_credential(octets, private, passphrase)
    assert str(caught.value).startswith(said)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for hidden in ("wrong-one", PASSPHRASE, key().decode().splitlines()[3]):
        assert hidden not in str(caught.value)


@pytest.mark.parametrize("seed", range(50))
def test_rubbish_is_an_error_of_ours(seed: int) -> None:
    octets = secrets.token_bytes(200 + seed)
    for broken in (octets, b"\x30" + octets, base64.b64encode(b"\x30" + octets), certificate()[:seed] + octets):
        with pytest.raises(CredentialError):
            parse_credential(broken, None if seed % 2 else key(), OPEN if seed % 3 else None)
