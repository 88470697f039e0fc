"""How is a password kept that only has to be recognised? As an argon2id hash (RFC 9106).

What is made here has 65 random bits, which no hash needs to protect. The parameters are for the mail password that a
person chose, which an account keeps when it becomes a managed one.
"""

from __future__ import annotations

from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from emailproxy.secret import Secret

__all__ = ["MEMORY_KIB", "hashed", "is_hash", "verify"]

MEMORY_KIB: Final = 65_536
PASSES: Final = 3
"""RFC 9106 section 4, the second recommended option: for where memory is not plenty."""
LANES: Final = 1
"""Not the four that it names: two checks at a time (`emailproxy.oauth.passwords`) keep two cores busy already. So all
checks together take 128 MiB at the most, and each a sixth of a second on a core of 2.5 GHz."""
HASH_OCTETS: Final = 32
SALT_OCTETS: Final = 16

_HASHER: Final = PasswordHasher(PASSES, MEMORY_KIB, LANES, HASH_OCTETS, SALT_OCTETS, type=Type.ID)

DECOY: Final = "$argon2id$v=19$m=65536,t=3,p=1$ZW1haWxwcm94eS1kZWNveQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""A hash of nothing: to check it takes as long as any other, and no password is right."""


def hashed(password: Secret) -> str:
    """The text to keep. Slow on purpose, blocks."""
    return _HASHER.hash(password.octets)


def verify(kept: str | None, password: Secret) -> bool:
    """Whether `kept` is the hash of `password`; None: of none, in the same time. Slow on purpose, blocks.

    Releases the GIL.
    """
    try:
        return _HASHER.verify(kept or DECOY, password.octets)
    except VerificationError:
        return False


def is_hash(text: str) -> bool:
    """Whether `text` is a hash that costs no more to check than ours: a record may have been tampered with."""
    from argon2 import extract_parameters

    try:
        found = extract_parameters(text)
    except InvalidHashError:
        return False
    return found.type is Type.ID and found.memory_cost <= MEMORY_KIB and found.time_cost <= PASSES
