"""Can anything that the other side sends break a machine? It must not raise, hang, hoard or blab."""

import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emailproxy.protocols.events import (
    NEED_DATA,
    Abused,
    CapabilitiesReceived,
    CommandRefused,
    Confirmed,
    CredentialsReceived,
    LoggedIn,
    LoggedOut,
    LoginRefused,
    ProofReceived,
    StartTls,
    TokenReceived,
    UpstreamFailed,
)
from emailproxy.protocols.imap import DownstreamImap, UpstreamImap
from emailproxy.protocols.pop3 import DownstreamPop3, UpstreamPop3
from emailproxy.protocols.smtp import DownstreamSmtp, UpstreamSmtp
from emailproxy.testing.dialogue import C, Dialogue, S
from tests.protocols.dialogues import DIALOGUES
from tests.protocols.dialogues.common import ABUSE, LOGIN, TOKEN, WRONG, XOAUTH2
from tests.protocols.dialogues.proof_downstream import EXCHANGES

MACHINES: dict[str, Callable[[], Any]] = {
    "DownstreamImap": lambda: DownstreamImap(capabilities=(), starttls=True),
    "DownstreamPop3": lambda: DownstreamPop3(capabilities=(), starttls=True),
    "DownstreamSmtp": lambda: DownstreamSmtp(capabilities=(), starttls=True, hostname="mx"),
    "DownstreamImap with tokens": lambda: DownstreamImap(capabilities=(), starttls=True, pass_tokens=True),
    "DownstreamPop3 with tokens": lambda: DownstreamPop3(capabilities=(), starttls=True, pass_tokens=True),
    "DownstreamSmtp with tokens": lambda: DownstreamSmtp(
        capabilities=(), starttls=True, hostname="mx", pass_tokens=True
    ),
    "DownstreamImap with proofs": lambda: DownstreamImap(capabilities=(), starttls=True, exchanges=EXCHANGES),
    "DownstreamPop3 with proofs": lambda: DownstreamPop3(capabilities=(), starttls=True, exchanges=EXCHANGES),
    "DownstreamSmtp with proofs": lambda: DownstreamSmtp(
        capabilities=(), starttls=True, hostname="mx", exchanges=EXCHANGES
    ),
    "UpstreamImap": lambda: UpstreamImap(login=LOGIN, starttls=False, client_id=b"NIL"),
    "UpstreamPop3": lambda: UpstreamPop3(login=LOGIN, starttls=False),
    "UpstreamSmtp": lambda: UpstreamSmtp(login=LOGIN, starttls=False, client_name="x"),
}
LAST = (Abused, CapabilitiesReceived, LoggedOut, LoginRefused, UpstreamFailed)
MOST_KEPT = 100_000
"""Octets a machine may hold while it asks for more: its longest line or command, with room."""


def text_is_fit(text: str | None) -> bool:
    return text is None or re.fullmatch(r"[\x20-\x7e]{0,512}", text) is not None


def drive(machine: Any, pieces: list[bytes]) -> list[object]:
    """Play the driver to the end of `pieces`; refuse every login but the third."""
    events: list[object] = []
    logins = 0
    for piece in [*pieces, b""]:
        machine.receive_data(piece)
        for _ in range(10_000):
            event = machine.next_event()
            machine.data_to_send()
            if event is NEED_DATA:
                break
            events.append(event)
            match event:
                case CredentialsReceived(credentials):
                    assert credentials.user
                    assert credentials.user.isprintable()
                    assert credentials.password
                    logins += 1
                    if logins == 3:
                        machine.accept(LoggedIn(("hi",)))
                    else:
                        machine.refuse(WRONG)
                case TokenReceived(brought):
                    assert brought.user.isprintable()
                    assert re.fullmatch(r"[\x21-\x7e]+", brought.token.reveal())
                    machine.refuse(WRONG)
                case ProofReceived(proof):
                    assert (getattr(proof, "user", "") + (proof.authorisation_identity or "")).isprintable()
                    machine.confirm(b"v=x")
                case Confirmed():
                    machine.refuse(WRONG)
                case StartTls():
                    machine.secured()
                case CommandRefused(command, reason):
                    assert re.fullmatch(r"[A-Z]{2,12}|\(unknown\)", command)
                    assert reason
                    assert text_is_fit(reason)
                case LoggedIn(lines, capabilities, untagged):
                    assert lines
                    assert all(text_is_fit(line) for line in lines)
                    assert all(re.fullmatch(r"[\x21-\x7e]+", capability) for capability in capabilities)
                    # Whole responses without their CRLF; but a literal at the end may be one.
                    assert not any(line.endswith((b"\r", b"\n")) and b"}\r\n" not in line for line in untagged)
                case LoginRefused(reply, challenge):
                    assert text_is_fit(reply)
                    assert text_is_fit(challenge)
                case UpstreamFailed(detail):
                    assert text_is_fit(detail)
            if isinstance(event, LAST):
                assert machine.next_event() == event
                if isinstance(event, Abused):
                    machine.abort(ABUSE)
                    assert machine.data_to_send().endswith(b"\r\n")
                return events
            if isinstance(event, LoggedIn):
                return events
        else:
            raise AssertionError("a machine that never stops talking")
        assert len(machine._in) <= MOST_KEPT
    return events


def cut(octets: bytes, seed: random.Random) -> list[bytes]:
    size = seed.choice([1, 7, 100, 100_000])
    return [octets[i : i + size] for i in range(0, len(octets), size)]


def spoken_to(dialogue: Dialogue) -> bytes:
    """Everything that the other side says in `dialogue`."""
    return b"".join(
        step.octets for step in dialogue.steps if isinstance(step, (C, S)) and not isinstance(step, dialogue.speaker)
    )


WORDS = sorted(
    {word for dialogue in DIALOGUES for word in re.findall(rb"\S+|\s+", spoken_to(dialogue)) if len(word) < 300}
)
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(["cut", "double", "insert", "flip"]), st.integers(0, 10**6), st.sampled_from(WORDS)),
    min_size=1,
    max_size=5,
)


def mutated(octets: bytes, mutations: list[tuple[str, int, bytes]]) -> bytes:
    for kind, number, word in mutations:
        at = number % (len(octets) + 1)
        match kind:
            case "cut":
                octets = octets[:at] + octets[at + len(word) :]
            case "double":
                octets = octets[:at] + octets[max(at - len(word), 0) :]
            case "insert":
                octets = octets[:at] + word + octets[at:]
            case "flip":
                octets = (
                    octets[:at] + bytes(octet ^ (number % 255 + 1) for octet in octets[at : at + 1]) + octets[at + 1 :]
                )
    return octets


@pytest.mark.parametrize("name", MACHINES)
@settings(max_examples=60, deadline=None)
@given(octets=st.binary(max_size=400), seed=st.randoms(use_true_random=False))
@example(octets=b"\xff" * 100_000, seed=random.Random(0))
@example(octets=b"\n" * 100_000, seed=random.Random(0))
@example(octets=b"* X {5}\r\n" * 20_000, seed=random.Random(0))
@example(octets=b"1 LOGIN {5+}\r\n" * 20_000, seed=random.Random(0))
def test_noise(name: str, octets: bytes, seed: random.Random) -> None:
    drive(MACHINES[name](), cut(octets, seed))


@pytest.mark.parametrize("name", MACHINES)
@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), max_size=60), seed=st.randoms(use_true_random=False))
def test_right_words_in_no_order(name: str, words: list[bytes], seed: random.Random) -> None:
    drive(MACHINES[name](), cut(b"".join(words), seed))


@settings(max_examples=500, deadline=None)
@given(dialogue=st.sampled_from(DIALOGUES), mutations=MUTATIONS, seed=st.randoms(use_true_random=False))
def test_mutated_dialogues(dialogue: Dialogue, mutations: list[tuple[str, int, bytes]], seed: random.Random) -> None:
    drive(dialogue.machine(), cut(mutated(spoken_to(dialogue), mutations), seed))


WITH_TOKEN = [
    dialogue
    for dialogue in DIALOGUES
    if dialogue.speaker is C and any(XOAUTH2 in repr(step) for step in dialogue.steps)
]


@settings(max_examples=200, deadline=None)
@given(
    dialogue=st.sampled_from(WITH_TOKEN),
    start=st.integers(0, len(XOAUTH2)),
    length=st.integers(16, 200),
    raw=st.booleans(),
)
def test_no_event_holds_the_token(dialogue: Dialogue, start: int, length: int, raw: bool) -> None:
    """Whatever a server quotes where: once it has the token, each of its lines ends with a piece of it."""
    quoted = (TOKEN if raw else XOAUTH2)[start:][:length].encode()
    pieces: list[bytes] = []
    has_token = False
    for step in dialogue.steps:
        if isinstance(step, C):
            has_token = has_token or XOAUTH2.encode() in step.octets
        elif isinstance(step, S):
            pieces.append(step.octets.replace(b"\r\n", b" " + quoted + b"\r\n") if has_token else step.octets)
    # Untagged lines are the client's to see; all else is for logs.
    shown = repr([event.lines if isinstance(event, LoggedIn) else event for event in drive(dialogue.machine(), pieces)])
    for secret in (TOKEN, XOAUTH2):
        assert not any(secret[i : i + 16] in shown for i in range(len(secret) - 15))
