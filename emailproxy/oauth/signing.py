"""How is a statement signed? A JWT (RFC 7519) with an RSA key: who we are (RFC 7523), or whom we speak for."""

from __future__ import annotations

import base64
import uuid
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from emailproxy.assertions.base import Statement
from emailproxy.config.credential import Credential
from emailproxy.config.google_key import GoogleKey
from emailproxy.oauth.refusals import TokenEndpointError
from emailproxy.secret import Secret

__all__ = ["client_assertion", "mailbox_assertion"]

CLIENT_SECONDS: Final = 300
"""Validity of a client assertion: a request and some difference of clocks."""
MAILBOX_SECONDS: Final = 3600
"""Validity of a service account's assertion: the most that Google takes."""


def client_assertion(
    credential: Credential, algorithm: str, client_id: str, statement: Statement, now: float
) -> Secret:
    """Who we are, signed with the key of a certificate that the provider knows (RFC 7523 section 3).

    Raises:
        TokenEndpointError: it cannot be signed.
    """
    thumbprint = base64.urlsafe_b64encode(credential.certificate.fingerprint(SHA256())).rstrip(b"=").decode()
    claims = {
        "aud": statement.audience,
        "iss": client_id,
        "sub": client_id,
        "jti": str(uuid.uuid4()),
        "nbf": int(now),
        "iat": int(now),
        "exp": int(now) + CLIENT_SECONDS,
    }
    # RFC 7515 section 4.1.8: which of the certificates that are registered.
    return _signed({"alg": algorithm, "x5t#S256": thumbprint}, claims, credential.key)


def mailbox_assertion(key: GoogleKey, statement: Statement, now: float) -> Secret:
    """For which mailbox we ask, signed with a service account's key (RFC 7523 section 2.1).

    Raises:
        TokenEndpointError: it cannot be signed.
    """
    header = {"alg": "RS256"} | ({"kid": key.key_id} if key.key_id else {})
    return _signed(header, mailbox_claims(key.email, statement, now), key.key)


def mailbox_claims(email: str, statement: Statement, now: float) -> dict[str, object]:
    """What Google wants to read: developers.google.com/identity/protocols/oauth2/service-account."""
    claims: dict[str, object] = {
        "iss": email,
        "sub": statement.subject,
        "scope": statement.scope,
        "aud": statement.audience,
        "iat": int(now),
        "exp": int(now) + MAILBOX_SECONDS,
    }
    return {name: value for name, value in claims.items() if value is not None}


def _signed(header: dict[str, Any], claims: dict[str, Any], key: RSAPrivateKey) -> Secret:
    try:
        return Secret(jwt.encode(header, claims, RSAKey.import_key(key), algorithms=[header["alg"]]))
    except (JoseError, ValueError):
        # Not `from error`: nothing that a library says about a key goes anywhere.
        raise TokenEndpointError.misconfigured("the assertion cannot be signed with this key") from None
