"""A Secret is never printed, and keeps its octets."""

from __future__ import annotations

import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.secret import Secret


@given(st.binary())
def test_octets_survive(octets: bytes) -> None:
    assert Secret.from_octets(octets).octets == octets


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_is_utf8(text: str) -> None:
    assert Secret(text).octets == text.encode()
    assert Secret(text).reveal() == text


@pytest.mark.parametrize(
    "show", [repr, str, "{}".format, "{!r:>30}".format, lambda s: f"{s:x<9}", lambda s: f"%s {s}" % s]
)
def test_nothing_prints_it(show: object) -> None:
    assert "hunter2" not in show(Secret("hunter2"))  # type: ignore[operator]


def test_neither_traceback_nor_pickle() -> None:
    secret = Secret("hunter2")
    with pytest.raises(TypeError) as caught:
        pickle.dumps(secret)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_equality_is_by_value_and_hashing_is_refused() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))


def test_truth() -> None:
    assert Secret("a")
    assert not Secret("")
