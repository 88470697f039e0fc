"""An application with a certificate: its files, and what the OAuth server knows of it."""

from __future__ import annotations

import base64
import datetime as dt
import time
import uuid
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, pkcs12
from joserfc import jwt
from joserfc.jwk import RSAKey

__all__ = ["PASSPHRASE", "Robot"]

PASSPHRASE: Final = "what the robot's key is encrypted with"


class Robot:
    """Writes ``robot.crt``, ``robot.key`` (encrypted) and ``robot.pfx`` (with both) into `folder`."""

    def __init__(self, folder: Path) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "robot")])
        now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        builder = builder.serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
        self._certificate = builder.sign(self._key, SHA256())
        seal = BestAvailableEncryption(PASSPHRASE.encode())
        self.certificate, self.key, self.pfx = (folder / f"robot.{ending}" for ending in ("crt", "key", "pfx"))
        self.certificate.write_bytes(self._certificate.public_bytes(Encoding.PEM))
        self.key.write_bytes(self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, seal))
        self.pfx.write_bytes(pkcs12.serialize_key_and_certificates(b"robot", self._key, self._certificate, None, seal))

    @property
    def public(self) -> dict[str, Any]:
        """The key as the server gets it, found by the certificate's thumbprint (RFC 7517)."""
        thumbprint = base64.urlsafe_b64encode(self._certificate.fingerprint(SHA256())).rstrip(b"=").decode()
        return {**RSAKey.import_key(self._key.public_key()).as_dict(private=False), "x5t#S256": thumbprint}

    def projected(self, client_id: str, audience: str) -> str:
        """A token as a platform would write it into a file, for an application of the name `client_id`."""
        now = int(time.time())
        claims = {"iss": client_id, "sub": client_id, "aud": audience, "jti": str(uuid.uuid4()), "exp": now + 300}
        return jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(self._key))
