"""Does a client that proves instead of sending get what the RFCs say?"""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest

from emailproxy.protocols.exchanges import ScramExchange
from emailproxy.protocols.proofs import ScramProof
from emailproxy.protocols.sasl import Challenge, Refusal
from emailproxy.testing.dialogue import Dialogue, replay
from tests.protocols.dialogues.proof_downstream import CLIENT_FIRST, DIALOGUES, SALT


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda d: f"{type(d.machine()).__name__}: {d.name}")
def test_dialogue(dialogue: Dialogue) -> None:
    replay(dialogue)


def asked(message: str) -> tuple[list[str], object]:
    names: list[str] = []

    def salt_of(name: str) -> bytes:
        names.append(name)
        return SALT

    return names, ScramExchange("server", salt_of).begin(b64encode(message.encode()))


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("n,,n=user,r=client", "user"),
        ("y,,n=user,r=client", "user"),
        ("n,,n=a=2Cb=3Dc,r=client", "a,b=c"),
        ("n,,n=jürgen@example.com,r=client", "jürgen@example.com"),
        ("n,,n=user,r=client,x=an extension", "user"),
    ],
)
def test_the_salt_is_asked_for_by_the_name_as_it_is_meant(message: str, name: str) -> None:
    names, answer = asked(message)
    assert names == [name]
    assert isinstance(answer, Challenge)
    assert b64decode(answer.text) == b"r=clientserver,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


def test_whom_to_act_as_comes_with_the_proof() -> None:
    exchange = ScramExchange("server", lambda _: SALT)
    exchange.begin(b64encode(b"n,a=other=2Cone,n=user,r=client"))
    binding = b64encode(b"n,a=other=2Cone,").decode()
    proof = exchange.respond(b64encode(f"c={binding},r=clientserver,p={b64encode(bytes(32)).decode()}".encode()))
    assert isinstance(proof, ScramProof)
    assert (proof.user, proof.authorisation_identity) == ("user", "other,one")


def test_a_response_that_is_no_base64_is_malformed() -> None:
    assert ScramExchange("server", lambda _: SALT).begin(b"n,,n=user") is Refusal.MALFORMED
    assert asked(CLIENT_FIRST + "\0")[1] is Refusal.MALFORMED
