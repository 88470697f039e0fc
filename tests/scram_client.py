"""The client's side of SCRAM-SHA-256 and CRAM-MD5, written from the RFCs and not from our server's side."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode


class ScramClient:
    """RFC 5802, section 3. Every message is there as such and, for the wire, in base64."""

    def __init__(self, user: str, password: str, nonce: str = "client-nonce") -> None:
        self._password = password.encode()
        self._bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        self._server_signature = b""

    @property
    def first_message(self) -> bytes:
        return f"n,,{self._bare}".encode()

    @property
    def first(self) -> str:
        return b64encode(self.first_message).decode()

    def final_message(self, challenge: bytes) -> bytes:
        server_first = challenge.decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self._password, b64decode(fields["s"]), int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without = f"c=biws,r={fields['r']}"
        auth_message = f"{self._bare},{server_first},{without}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), auth_message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth_message, "sha256")
        return f"{without},p={b64encode(proof).decode()}".encode()

    def final(self, challenge: str) -> str:
        return b64encode(self.final_message(b64decode(challenge))).decode()

    def believes_message(self, challenge: bytes) -> bool:
        return challenge == b"v=" + b64encode(self._server_signature)

    def believes(self, challenge: str) -> bool:
        return self.believes_message(b64decode(challenge))


def cram_answer(user: str, password: str, challenge: str) -> str:
    """RFC 2195, section 2."""
    digest = hmac.new(password.encode(), b64decode(challenge), "md5").hexdigest()
    return b64encode(f"{user} {digest}".encode()).decode()
