"""Is a proof right exactly when it was made from the password? With the examples of RFC 7677 and RFC 2195."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emailproxy.protocols.proofs import ScramVerifier, scram_salt
from emailproxy.secret import Secret
from tests.protocols.dialogues.proof_downstream import CRAM, SALT, SCRAM, SERVER_FINAL

PENCIL = ScramVerifier.of(Secret("pencil"), SALT)


def test_the_example_of_rfc_7677() -> None:
    assert SCRAM.server_final(PENCIL) == SERVER_FINAL.encode()


@pytest.mark.parametrize(
    "verifier",
    [
        ScramVerifier.of(Secret("pencils"), SALT),
        ScramVerifier.of(Secret("pencil"), bytes(16)),
        ScramVerifier.of(Secret("pencil"), SALT, 4097),
        replace(PENCIL, salt=bytes(16)),
        replace(PENCIL, iterations=4097),
    ],
    ids=["password", "salt", "iterations", "other salt", "other iterations"],
)
def test_no_other_verifier_fits(verifier: ScramVerifier) -> None:
    assert SCRAM.server_final(verifier) is None


@pytest.mark.parametrize("octet", [0, 31])
def test_a_proof_that_differs_by_a_bit_is_wrong(octet: int) -> None:
    proof = bytearray(SCRAM.client_proof)
    proof[octet] ^= 1
    assert replace(SCRAM, client_proof=bytes(proof)).server_final(PENCIL) is None
    assert replace(SCRAM, auth_message=SCRAM.auth_message + b".").server_final(PENCIL) is None


def test_the_example_of_rfc_2195() -> None:
    assert CRAM.fits(Secret("tanstaaftanstaaf"))
    assert not CRAM.fits(Secret("tanstaaftanstaag"))
    assert not replace(CRAM, challenge=b"<1@other>").fits(Secret("tanstaaftanstaaf"))


def test_a_verifier_is_kept_as_text() -> None:
    assert ScramVerifier.parse(PENCIL.text) == PENCIL
    assert PENCIL.text.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")


@pytest.mark.parametrize(
    "text", ["", "SCRAM-SHA-256$4096:W22Z$AA==:AA==", "SCRAM-SHA-1" + PENCIL.text[13:], "$$", PENCIL.text + "$"]
)
def test_what_is_damaged_is_no_verifier(text: str) -> None:
    with pytest.raises(ValueError, match="damaged") as caught:
        ScramVerifier.parse(text)
    assert text not in str(caught.value) or not text


def test_the_salt_follows_from_the_name_whoever_has_it() -> None:
    assert scram_salt("Ada@Example.com") == scram_salt("ada@example.com")
    assert scram_salt("ada@example.com") != scram_salt("bob@example.com")
    assert len(scram_salt("")) == 16


def test_keys_and_proofs_are_not_printed() -> None:
    shown = repr((PENCIL, SCRAM, CRAM))
    assert str(PENCIL.stored_key) not in shown
    assert str(SCRAM.client_proof) not in shown
    assert str(CRAM.digest) not in shown
