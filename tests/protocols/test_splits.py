"""Does it matter in what pieces octets arrive? It must not: same words, same events, same rest."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailproxy.testing.dialogue import Dialogue, octet_by_octet, replay
from tests.protocols.dialogues import DIALOGUES

SPLITTABLE = [dialogue for dialogue in DIALOGUES if dialogue.splittable]


def test_names_are_unique() -> None:
    names = [(dialogue.machine().__class__, dialogue.name) for dialogue in DIALOGUES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("dialogue", SPLITTABLE, ids=lambda d: f"{type(d.machine()).__name__}: {d.name}")
def test_octet_by_octet(dialogue: Dialogue) -> None:
    replay(dialogue, octet_by_octet)


@settings(max_examples=300, deadline=None)
@given(dialogue=st.sampled_from(SPLITTABLE), seed=st.randoms(use_true_random=False))
def test_any_pieces(dialogue: Dialogue, seed: random.Random) -> None:
    def pieces(octets: bytes) -> list[bytes]:
        count = min(len(octets) - 1, seed.choice([1, 2, 3, 10]))
        cuts = sorted(seed.sample(range(1, len(octets)), count)) if count > 0 else []
        return [octets[i:j] for i, j in zip([0, *cuts], [*cuts, len(octets)], strict=True)]

    replay(dialogue, pieces)
