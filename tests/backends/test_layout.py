"""A file in parts says what the whole says, and a change of one part is that change of the whole."""

from __future__ import annotations

import configparser

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from emailproxy.ini import IrregularError
from emailproxy_backends.ini import edited, parsed
from emailproxy_backends.layout import Layout, cached, understood

from .test_ini import texts

_NAMES = st.sampled_from(["a@x", "A@X", "a@X", "b", "c]d", "DEFAULT"])
_MORE = st.sampled_from(["", "[a@X]\n", "[a@x]\naccess_token = 1\n\n[b@x]\nz = 1\n", "[A@x]\n[ß]\n[SS]\n[ss]\nx = y\n"])


def whole(text: str) -> dict[str, dict[str, str]]:
    """By configparser."""
    try:
        return parsed(text)
    except configparser.Error:
        assume(False)
        raise


def said(layout: Layout) -> dict[str, dict[str, str]]:
    return {name: dict(layout.options(name)) for name in layout.places}


@settings(max_examples=300, deadline=None)
@given(text=texts(), more=_MORE, mark=st.sampled_from(["", "\ufeff"]))
@example(text="[a]\r[b]\r\n[c]\n[[d\n", more="", mark="")
@example(text="[a]\nx = 1\n[a]\n", more="", mark="")
def test_what_the_whole_says(text: str, more: str, mark: str) -> None:
    text += more
    octets = (mark + text).encode()
    try:
        expected = parsed(text)
    except configparser.Error:
        with pytest.raises(IrregularError):
            understood(octets)
        return
    layout = understood(octets)
    assert layout.octets == octets
    assert said(layout) == expected
    assert list(layout.places) == list(expected)
    assert layout.records == {name for name, options in expected.items() if cached(options)}
    assert layout.text(0, layout.parts) == text


@settings(max_examples=300, deadline=None)
@given(text=texts(), more=_MORE, account=st.sampled_from(["a@x", "A@X", "a@X", "B", "b", "ss", "SS", "ß", "none"]))
def test_whose_record_it_is(text: str, more: str, account: str) -> None:
    expected = whole(text + more)
    folded: dict[str, str] = {}
    for name in expected:
        folded.setdefault(name.casefold(), name)
    wanted = account if account in expected else folded.get(account.casefold())
    layout = understood((text + more).encode())
    assert layout.section(account) == wanted
    record = cached(expected[wanted]) if wanted is not None else {}
    less = layout.of_records()
    section = less.section(account)
    assert (cached(less.options(section)) if section is not None else {}) == record
    assert less.records == layout.records


@settings(max_examples=300, deadline=None)
@given(
    text=texts(),
    more=_MORE,
    changes=st.lists(
        st.tuples(_NAMES, st.dictionaries(st.sampled_from(["access_token", "z"]), st.sampled_from([None, "NEW", "X"]))),
        min_size=1,
        max_size=3,
    ),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_a_change_of_a_part(text: str, more: str, changes: list[tuple[str, dict[str, str | None]]], mark: str) -> None:
    whole(text + more)
    assume("\r" not in text or more == "")
    layout = understood((mark + text + more).encode())
    layout.section("Nobody")  # learns how names are spelled, which the next one takes over
    text += more
    for name, change in changes:
        first = layout.places.get(name, layout.parts - 1)
        layout = layout.replaced(first, first + 1, edited(layout.text(first, first + 1), name, change))
        text = edited(text, name, change)
        fresh = understood(layout.octets)
        assert said(layout) == said(fresh) == whole(text)
        assert list(layout.places) == list(fresh.places)
        assert layout.records == fresh.records
        assert [layout.section(each) for each in ("A@x", "B", "c]D")] == [
            fresh.section(each) for each in ("A@x", "B", "c]D")
        ]
        if "\r" not in text:  # where line ends are mixed, a new line may have another one
            assert layout.octets.decode() == mark + text


def test_two_parts_become_one() -> None:
    layout = understood(b"[a]\nx = 1\n[b]\naccess_token = 1\n[c]\ny = 1\n[d]\nrefresh_token = 1\n")
    after = layout.replaced(1, 3, "[c]\ny = 2\n")
    assert after.octets == b"[a]\nx = 1\n[c]\ny = 2\n[d]\nrefresh_token = 1\n"
    assert said(after) == {"a": {"x": "1"}, "c": {"y": "2"}, "d": {"refresh_token": "1"}}
    assert after.records == {"d"}


def test_little_is_kept_where_there_are_few_records() -> None:
    text = "".join(f"[{number}@x]\ntoken_url = https://example.com/token\n" for number in range(100))
    layout = understood(f"{text}[last@x]\naccess_token = 1".encode())
    assert layout.of_records().octets == b"[last@x]\naccess_token = 1"
    assert understood(text.encode()).of_records().octets == b""
    full = understood(b"[a@x]\naccess_token = 1\n")
    assert full.of_records() is full


def test_names_that_differ_in_case_are_kept() -> None:
    """For the first of them counts, though it has no record."""
    plain = "".join(f"[{number}@x]\ntoken_url = https://example.com/token\n" for number in range(9))
    layout = understood(f"{plain}[Ada@x]\nx = 1\n[ada@x]\naccess_token = 1\n".encode()).of_records()
    assert layout.section("ADA@x") == "Ada@x"
    assert layout.section("ada@x") == "ada@x"
    layout = understood(f"{plain}[ada@x]\nx = 1\n[Ada@x]\naccess_token = 1\n".encode()).of_records()
    assert layout.section("ADA@x") == "ada@x"
