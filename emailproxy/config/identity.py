"""What does an application prove its identity with, if not with a secret?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emailproxy.references.base import Fetched
from emailproxy.secret import Secret

__all__ = ["ALGORITHMS", "Certificate"]

ALGORITHMS: Final = ("RS256", "PS256")
"""RFC 7518 section 3.1. Entra takes both, and recommends the second; the first is what the classic proxy signs with."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Certificate credentials: what a client assertion is signed with. Files are read again at each use."""

    certificate: Path | Fetched
    """A file, or its content where the configuration refers to it."""
    key: Path | Fetched | None = None
    """None: it is with the certificate."""
    passphrase: Secret | None = None
    algorithm: str = ALGORITHMS[0]
