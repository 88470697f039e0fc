"""Assertions, verified with the public key as a provider does."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import RSAKey

from emailproxy.assertions.base import Statement
from emailproxy.config.credential import parse_credential
from emailproxy.config.google_key import parse_google_key
from emailproxy.oauth.signing import client_assertion, mailbox_assertion
from emailproxy.secret import Secret
from tests.config.keys import certificate, google_key, key, rsa_key

NOW = 1_700_000_000.9
ENDPOINT = Statement("https://provider.test/token")


def opened(token: Secret, number: int = 0) -> jwt.Token:
    return jwt.decode(token.reveal(), RSAKey.import_key(rsa_key(number).public_key()), algorithms=["RS256", "PS256"])


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_who_we_are(algorithm: str) -> None:
    credential = parse_credential(certificate(), key(), None)
    token = opened(client_assertion(credential, algorithm, "the-client", ENDPOINT, NOW))
    der = x509.load_pem_x509_certificate(certificate()).public_bytes(Encoding.DER)
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    assert token.header == {"alg": algorithm, "typ": "JWT", "x5t#S256": thumbprint}
    identifier = token.claims.pop("jti")
    assert token.claims == {
        "aud": "https://provider.test/token",
        "iss": "the-client",
        "sub": "the-client",
        "nbf": 1_700_000_000,
        "iat": 1_700_000_000,
        "exp": 1_700_000_300,
    }
    assert len(identifier) >= 32


def test_no_two_are_alike() -> None:
    credential = parse_credential(certificate(), key(), None)
    tokens = {client_assertion(credential, "RS256", "id", ENDPOINT, NOW).reveal() for _ in range(3)}
    assert len(tokens) == 3


def test_another_key_does_not_fit() -> None:
    credential = parse_credential(certificate(), key(), None)
    with pytest.raises(BadSignatureError):
        opened(client_assertion(credential, "RS256", "id", ENDPOINT, NOW), 1)


def test_for_which_mailbox() -> None:
    statement = Statement("https://oauth2.googleapis.com/token", "ada@example.com", "https://mail.google.com/")
    token = opened(mailbox_assertion(parse_google_key(google_key().encode()), statement, NOW))
    assert token.header == {"alg": "RS256", "typ": "JWT", "kid": "0123456789abcdef"}
    assert token.claims == {
        "iss": "proxy@mail.iam.gserviceaccount.com",
        "sub": "ada@example.com",
        "scope": "https://mail.google.com/",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_700_000_000,
        "exp": 1_700_003_600,
    }


def test_without_a_key_id() -> None:
    google = parse_google_key(google_key(private_key_id=None).encode())
    assert opened(mailbox_assertion(google, ENDPOINT, NOW)).header == {"alg": "RS256", "typ": "JWT"}
