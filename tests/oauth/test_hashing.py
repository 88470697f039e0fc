"""The hash is argon2id with the parameters that the source gives reasons for."""

from __future__ import annotations

from argon2 import extract_parameters
from argon2.low_level import Type

from emailproxy.oauth.hashing import DECOY, MEMORY_KIB, PASSES, hashed, is_hash, verify
from emailproxy.secret import Secret


def test_a_hash_knows_its_password() -> None:
    kept = hashed(Secret.from_octets(b"caf\xe9"))
    assert verify(kept, Secret.from_octets(b"caf\xe9"))
    assert not verify(kept, Secret("café"))
    assert is_hash(kept)
    found = extract_parameters(kept)
    assert (found.type, found.memory_cost, found.time_cost) == (Type.ID, 65_536, 3)


def test_nobody_has_the_decoys_password_and_it_costs_the_same() -> None:
    assert not verify(None, Secret(""))
    found = extract_parameters(DECOY)
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (Type.ID, MEMORY_KIB, PASSES, 1)
    assert (found.hash_len, found.salt_len) == (32, 16)


def test_other_texts_are_no_hashes() -> None:
    for text in ("", "x", DECOY.replace("argon2id", "argon2d"), DECOY.replace("65536", "999999"), "$argon2id$v=19$"):
        assert not is_hash(text)
