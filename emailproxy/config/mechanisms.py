"""By which further mechanisms may mail clients log in on a port? ``auth_mechanisms``."""

from __future__ import annotations

import re
from typing import Final

from emailproxy.config.options import Reader

__all__ = ["PROOF_MECHANISMS", "read_auth_mechanisms"]

PROOF_MECHANISMS: Final = ("SCRAM-SHA-256", "CRAM-MD5")
"""Those in which no password is sent, the better one first: clients that take the first they know take that."""
_ALWAYS: Final = ("PLAIN", "LOGIN")


def read_auth_mechanisms(reader: Reader) -> tuple[str, ...]:
    """What is offered besides passwords that are sent."""
    text = reader.text("auth_mechanisms")
    if text is None:
        return ()
    named = [word.upper() for word in re.split(r"[\s,]+", text) if word]
    for name in named:
        if name not in (*PROOF_MECHANISMS, *_ALWAYS):
            shown = name if re.fullmatch(r"[A-Z0-9_-]{1,32}", name) else "the value"
            reader.fault("auth_mechanisms", f"{shown} is not offered", "write scram-sha-256, cram-md5, or both")
            return ()
    if "CRAM-MD5" in named:
        reader.warn(
            "auth_mechanisms",
            "CRAM-MD5 is weak: whoever has the service key can read its passwords, who listens can guess at them",
            "use it only for devices that know neither TLS nor SCRAM-SHA-256, each with a password of its own",
        )
    return tuple(name for name in PROOF_MECHANISMS if name in named)
