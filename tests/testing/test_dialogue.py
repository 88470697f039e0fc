import pytest

from emailproxy.protocols.events import Credentials, CredentialsReceived, LoggedOut
from emailproxy.protocols.pop3 import DownstreamPop3
from emailproxy.secret import Secret
from emailproxy.testing.dialogue import (
    C,
    Call,
    Close,
    Dialogue,
    DialogueDiffersError,
    Event,
    S,
    Step,
    Trailing,
    octet_by_octet,
    play,
    replay,
    whole,
)

LOGIN = Event(CredentialsReceived(Credentials("anna", Secret("tiger"), "USER/PASS")))


def pop3(*steps: Step) -> Dialogue:
    machine = lambda: DownstreamPop3(capabilities=(), starttls=False)  # noqa: E731
    return Dialogue.downstream("a dialogue", machine, S("+OK emailproxy ready"), *steps)


def test_texts_are_lines_and_octets_are_octets() -> None:
    assert C("a", "b", b"c").octets == b"a\r\nb\r\nc"
    assert C("a") == C(b"a\r\n")
    assert C("a") != S("a")
    assert hash(C("a")) == hash(C(b"a\r\n"))
    assert repr(S("a")) == "S(b'a\\r\\n')"


def test_pieces() -> None:
    assert list(whole(b"abc")) == [b"abc"]
    assert list(octet_by_octet(b"abc")) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("pieces", [whole, octet_by_octet])
def test_a_dialogue_that_is_right(pieces: object) -> None:
    replay(
        pop3(C("USER anna", "PASS tiger", "STAT"), S("+OK Send PASS"), LOGIN, Trailing(b"")),
        whole if pieces is whole else octet_by_octet,
    )


def test_what_is_wrong_is_shown_as_a_diff() -> None:
    with pytest.raises(DialogueDiffersError) as differs:
        replay(pop3(C("NOOP", b"\xff\n"), S("+OK Something else"), Close(), Event(LoggedOut(by_command=True))))
    lines = str(differs.value).splitlines()
    assert lines[0] == "a dialogue: - expected, + happened"
    assert "  C: NOOP" in lines
    assert "  C: '\\\\xff\\n' (no CRLF)" in lines
    assert "- S: +OK Something else" in lines
    assert "+ S: +OK Nothing done" in lines
    assert "  >: the other side closes" in lines
    assert "- !: LoggedOut(by_command=True)" in lines
    assert "+ !: LoggedOut(by_command=False)" in lines


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [C("NOOP")],
        [C("NOOP"), S("+OK Nothing done"), S("+OK Nothing done")],
        [C("NOOP"), S("+OK Nothing done"), Trailing(b"x")],
        [Close()],
        [C("USER anna", "PASS tiger"), S("+OK Send PASS")],
        [C("USER anna", "PASS tiger"), LOGIN, S("+OK Send PASS")],
    ],
)
def test_too_little_too_much_and_the_wrong_order_differ(steps: list[Step]) -> None:
    if not steps:
        replay(pop3())
        return
    with pytest.raises(DialogueDiffersError):
        replay(pop3(*steps))


def test_secrets_that_differ_are_not_shown() -> None:
    wrong = Event(CredentialsReceived(Credentials("anna", Secret("lion"), "USER/PASS")))
    with pytest.raises(DialogueDiffersError, match="a secret differs") as differs:
        replay(pop3(C("USER anna", b"PASS tiger\r\n"), S("+OK Send PASS"), wrong))
    assert "lion" not in str(differs.value)


def test_a_machine_is_new_for_each_replay() -> None:
    dialogue = pop3(C("QUIT"), S("+OK Goodbye"), Event(LoggedOut(by_command=True)), Call("accept"))
    assert play(pop3(C("QUIT"))) == [*dialogue.steps[:-1]]
    assert play(pop3(C("QUIT"))) == [*dialogue.steps[:-1]]
