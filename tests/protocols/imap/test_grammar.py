import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.protocols.imap.grammar import (
    Announcement,
    Arguments,
    Continuation,
    Tagged,
    Untagged,
    announced_literal,
    parse_command,
    parse_response,
    quoted,
    response_code,
)


@pytest.mark.parametrize(
    ("line", "announcement"),
    [
        (b"a LOGIN {5}", Announcement(5, synchronising=True)),
        (b"a LOGIN {5+}", Announcement(5, synchronising=False)),
        (b"a LOGIN {5-}", Announcement(5, synchronising=True)),
        (b"a ID ({005}", Announcement(5, synchronising=True)),
        (b"{0}", Announcement(0, synchronising=True)),
        (b"a LOGIN {" + b"9" * 5000 + b"}", Announcement(10**10, synchronising=True)),
    ],
)
def test_announced_literals(line: bytes, announcement: Announcement) -> None:
    assert announced_literal(line) == announcement


@pytest.mark.parametrize(
    "line", [b"a LOGIN x{5}", b"a LOGIN {5} ", b"a LOGIN {}", b"a {-5}", b"a {5++}", b"a {5", b"a {\xb2}"]
)
def test_no_literals(line: bytes) -> None:
    assert announced_literal(line) is None


def test_command() -> None:
    command = parse_command([b"a] login x {1}", b"y", b" "])
    assert command is not None
    assert (command.tag, command.verb, command.fragments) == (b"a]", b"LOGIN", (b" x {1}", b"y", b" "))
    assert not command.is_bare


def test_arguments() -> None:
    arguments = Arguments([b' atom "q\\"\\\\" {3}', b'a"\n', b" {0+}", b"", b" nil"])
    taken = []
    while arguments.take(b" "):
        taken.append(arguments.astring())
    assert taken == [b"atom", b'q"\\', b'a"\n', b"", b"nil"]
    assert arguments.at_end


@pytest.mark.parametrize("text", [b'"a', b'"a\\b"', b'"a\0"', b"(a", b"{a", b"", b" a", b"\x01"])
def test_no_string(text: bytes) -> None:
    assert Arguments([text]).astring() is None


def test_an_announcement_in_the_text_of_a_literal_is_text() -> None:
    arguments = Arguments([b" {4+}", b" {1}", b" x"])
    assert arguments.take(b" ")
    assert arguments.string() == b" {1}"
    assert arguments.take(b" ")
    assert arguments.astring() == b"x"
    assert arguments.at_end


@given(st.binary())
def test_quoted_strings_are_read_back(octets: bytes) -> None:
    text = quoted(octets)
    if text is None:
        assert {0, 10, 13} & set(octets)
    else:
        assert Arguments([text]).string() == octets


@pytest.mark.parametrize(
    ("line", "response"),
    [
        (b"* OK [X] hi", Untagged(b"OK", b"[X] hi", b"* OK [X] hi")),
        (b"* capability A B", Untagged(b"CAPABILITY", b"A B", b"* capability A B")),
        (b"* BYE", Untagged(b"BYE", b"", b"* BYE")),
        (b"A1 OK done", Tagged(b"A1", b"OK", b"done", b"OK done")),
        (b"A1 no", Tagged(b"A1", b"NO", b"", b"no")),
        (b"BAD Request is throttled.", Tagged(None, b"BAD", b"Request is throttled.", b"BAD Request is throttled.")),
        (b"+ abc=", Continuation(b"abc=")),
        (b"+", Continuation(b"")),
        (b"", None),
        (b"*", None),
        (b"+x", None),
        (b"A1 MAYBE", None),
        (b"220 hi", None),
        (b"OKAY", None),
    ],
)
def test_responses(line: bytes, response: object) -> None:
    assert parse_response(line) == response


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"[alert] x", (b"ALERT", b"", b"x")),
        (b"[CAPABILITY A B] x", (b"CAPABILITY", b"A B", b"x")),
        (b"[CAPABILITY A B]x", (b"CAPABILITY", b"A B", b"x")),
        (b"x [ALERT]", (b"", b"", b"x [ALERT]")),
        (b"[x", (b"", b"", b"[x")),
        (b"", (b"", b"", b"")),
    ],
)
def test_response_codes(text: bytes, parts: tuple[bytes, bytes, bytes]) -> None:
    assert response_code(text) == parts
