"""What does a running proxy say over ``/events``?"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.console import messages
from emailproxy.console.messages import Envelope, Message, MessageError, decode, encode

KINDS = sorted(get_args(Message), key=lambda kind: kind.type)
NOTICE = messages.Notice("warning", "emailproxy.oauth", "it is late", "7F3A", None, 5.0)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """As `from_type`, but for the numbers that are none."""
    inner = get_args(hint)
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    if is_dataclass(hint):
        kind: Any = hint
        return st.builds(kind, **{name: values(each) for name, each in messages._hints(kind).items()})
    if get_origin(hint) is tuple and inner[-1] is Ellipsis:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if get_origin(hint) is tuple:
        return st.tuples(*map(values, inner))
    return st.none() | values(inner[0]) if inner else st.from_type(hint)


def everything() -> st.SearchStrategy[Message]:
    return st.one_of([values(kind) for kind in KINDS])


@given(everything(), st.text(), st.integers(min_value=0), st.floats(min_value=0, allow_infinity=False))
def test_what_is_encoded_is_decoded(message: Message, stream: str, sequence: int, time: float) -> None:
    text = encode(message, stream, sequence, time)
    assert text.isascii()
    assert "\n" not in text
    assert decode(text) == Envelope(stream, sequence, time, message.type, message)


def test_the_head_stands_beside_the_fields() -> None:
    assert json.loads(encode(NOTICE, "S", 7, 1.5)) == {
        "format": 1, "stream": "S", "sequence": 7, "time": 1.5, "type": "notice", "level": "warning",
        "logger": "emailproxy.oauth", "message": "it is late", "ref": "7F3A", "advice": None, "at": 5.0,
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_no_field_has_the_name_of_a_part_of_the_head(kind: type[Any]) -> None:
    assert is_dataclass(kind)
    assert not {field.name for field in fields(kind)} & {"format", "stream", "sequence", "time", "type"}


def test_an_unknown_type_is_told_apart() -> None:
    text = json.dumps({"format": 1, "stream": "S", "sequence": 7, "time": 1, "type": "of tomorrow", "x": 1})
    assert decode(text) == Envelope("S", 7, 1.0, "of tomorrow", None)


def test_unknown_fields_are_ignored() -> None:
    document = json.loads(encode(NOTICE, "S", 7, 1.5)) | {"of tomorrow": [1]}
    assert decode(json.dumps(document)).message == NOTICE


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "1", "null", "{}", '{"format":2}', "[" * 100_000, "\x00", '{"format":1,"type":"notice"}'],
    ids=["empty", "word", "list", "number", "null", "object", "format", "deep", "nul", "head"],
)
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(MessageError):
        decode(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [("level", 1), ("level", None), ("ref", 1), ("ref", True), ("message", ["x"])],
    ids=["number", "null", "number-or-null", "flag", "list"],
)
def test_a_field_of_another_type_is_refused(name: str, value: object) -> None:
    document = json.loads(encode(NOTICE, "S", 7, 1.5)) | {name: value}
    with pytest.raises(MessageError, match=name):
        decode(json.dumps(document))


def test_a_missing_field_is_refused() -> None:
    document = json.loads(encode(NOTICE, "S", 7, 1.5))
    del document["logger"]
    with pytest.raises(MessageError, match="logger is missing"):
        decode(json.dumps(document))


@pytest.mark.parametrize("sessions", [[["1", 2]], [["1", 2, 3.5]], [["1", 2, 3, 4]], "1", [1], [[1, 2, 3]]], ids=str)
def test_a_part_of_another_shape_is_refused(sessions: object) -> None:
    document = json.loads(encode(messages.Traffic(()), "S", 7, 1.5)) | {"sessions": sessions}
    with pytest.raises(MessageError, match="sessions"):
        decode(json.dumps(document))


def test_not_a_number_is_not_said() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(replace(messages.SessionClosed("1", "x", 0, 0, 0.0), seconds=float("nan")), "S", 1, 1.0)
