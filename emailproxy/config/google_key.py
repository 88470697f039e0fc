"""What does the key of a Google service account hold? JSON, which no message repeats."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from emailproxy.config.credential import CredentialError, parse_rsa_key

__all__ = ["GoogleKey", "parse_google_key"]

_OPTION: Final = "client_secret"
_REMEDY: Final = "use the JSON that Google made for the service account, whole"


@dataclass(frozen=True, slots=True)
class GoogleKey:
    """A service account and its key."""

    email: str
    key_id: str | None
    key: RSAPrivateKey = field(repr=False)


def parse_google_key(octets: bytes) -> GoogleKey:
    """Read a key file's content.

    Raises:
        CredentialError: it is none that can be used.
    """
    try:
        fields = json.loads(octets)
    except (ValueError, RecursionError):
        raise CredentialError(_OPTION, "the service account's key is not JSON", _REMEDY) from None
    if not isinstance(fields, dict) or fields.get("type") != "service_account":
        raise CredentialError(_OPTION, "this JSON is no key of a service account", _REMEDY)
    email, pem, key_id = (fields.get(name) for name in ("client_email", "private_key", "private_key_id"))
    if not isinstance(email, str) or not isinstance(pem, str) or not email:
        raise CredentialError(_OPTION, "client_email or private_key is missing in the key", _REMEDY)
    key = parse_rsa_key(pem.encode("utf-8", "replace"), None, _OPTION)
    return GoogleKey(email, key_id if isinstance(key_id, str) else None, key)
