"""What is the service key? 256 random bits that seal the tokens of managed accounts, as one line of text.

``seal1_`` and 43 characters of base64url. Its identifier, which each record that it sealed bears, is a hash of the
bits: it tells keys apart and gives nothing away.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

__all__ = ["SealKey", "new_key_text"]

PREFIX: Final = "seal1_"
"""So that a password or another secret is not taken for a key by mistake."""
OCTETS: Final = 32


@dataclass(frozen=True, slots=True)
class SealKey:
    """The service key. Not printed by ``repr``."""

    identifier: str
    octets: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> SealKey:
        """The key that `new_key_text` wrote.

        Raises:
            ValueError: it is none; the message does not repeat it.
        """
        text = text.strip()
        body = text.removeprefix(PREFIX)
        try:
            octets = base64.b64decode(body + "=", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            octets = b""
        if body == text or len(octets) != OCTETS:
            raise ValueError("this is no service key")
        return cls(hashlib.sha256(b"emailproxy service key" + octets).hexdigest()[:12], octets)


def new_key_text() -> str:
    """A fresh key."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(OCTETS)).decode("ascii").rstrip("=")
