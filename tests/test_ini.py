"""An INI text is read exactly as configparser reads it, or refused as configparser refuses it."""

from __future__ import annotations

import configparser
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emailproxy import ini
from emailproxy.ini import IrregularError, sections


def by_configparser(text: str) -> dict[str, dict[str, str]] | None:
    """The same by the standard library; None if it refuses."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_file(io.StringIO(text, newline=None))
    except configparser.Error:
        return None
    defaults = dict(parser.defaults())
    # Its own options alone: configparser gives the defaults to every section that is asked.
    for name in defaults:
        parser.remove_option("DEFAULT", name)
    return {name: dict(parser.items(name, raw=True)) for name in parser.sections()} | {"DEFAULT": defaults}


def by_us(text: str) -> dict[str, dict[str, str]] | None:
    try:
        return {"DEFAULT": {}} | {name: dict(options) for name, options in sections(text).items()}
    except IrregularError:
        return None


_INDENT = st.sampled_from(["", "", "", "", " ", "    ", "\t", "\x0b", "\u2003"])
_LINES = st.one_of(
    st.builds(
        "{}[{}]{}".format,
        _INDENT,
        st.sampled_from(["a", "A", "b@x", "DEFAULT", "c]d", " spaced ", "]", "", "é"]),
        st.sampled_from(["", "", " ; comment", "]", "   ", " x = y"]),
    ),
    st.builds(
        "{}{}{}{}".format,
        _INDENT,
        st.sampled_from(["x", "X", "y", "two words", "", "ключ", "[x", "#x", "İ"]),
        st.sampled_from(["=", " = ", ":", " :\t", "  =  ", "", " "]),
        st.sampled_from(["", "value", "%(x)s", "a=b", ": c", "#no comment", "[no section]", "trailing  ", "\x1cx\x85"]),
    ),
    st.builds("{}{}".format, st.sampled_from([" ", "\t", "      "]), st.sampled_from(["continued", "[more]", "x = y"])),
    st.builds("{}{}".format, _INDENT, st.sampled_from(["# comment", "; comment", "#", ";x = y"])),
    st.sampled_from(["", "", " ", "\t", "\x0c"]),
    st.text(max_size=6),
)
_ENDS = st.sampled_from([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Any lines, and blocks of lines that come again."""
    ends = draw(_ENDS)
    lines = draw(st.lists(_LINES, max_size=10))
    again = draw(st.lists(_LINES, max_size=4))
    for name in draw(st.lists(st.sampled_from(["[p]", "[q]", "[DEFAULT]", "[a]"]), max_size=3)):
        lines += [name, *again]
    text = "".join(line + draw(st.sampled_from(ends)) for line in [*draw(st.sampled_from([[], ["[z]"]])), *lines])
    return text if draw(st.booleans()) else text.rstrip("\r\n")


@settings(max_examples=400, deadline=None)
@given(texts())
@example("[a]\nx = 1\n[b]\nx = 1\n[DEFAULT]\ny = 2\n[c]\nx = 1\n[DEFAULT]\nz = 3\n")
@example("[DEFAULT]\n[a]\n [DEFAULT]\n y = 2\n[b]\n [DEFAULT]\n y = 2\n[c]\n")
@example("[DEFAULT]\nx = 1\n[DEFAULT]\nx = 1\n")
@example("[a]\nx = 1\n[b]\nx = 1\n[DEFAULT]\nx = 1\n[DEFAULT]\ny = 1\n")
@example("[a]\nx = 1\n  [b]\n[c = 3\n")
@example("[a]\nx =\n\n # c\n\n  y\n\n")
def test_as_configparser(text: str) -> None:
    assert by_us(text) == by_configparser(text)


@pytest.mark.parametrize(
    "text", ["x = 1\n", "[a]\nx = 1\nX: 2\n", "[a]\n[a]\n", "[a]\nnothing\n", "[a]\n= 1\n", "[]\n", "[a]\n[x\n"]
)
def test_refused(text: str) -> None:
    with pytest.raises(IrregularError):
        sections(text)


def test_what_is_equal_is_one() -> None:
    read = sections("[a]\nx = 1\n[b]\nx = 1\n[c]\ny = " + "t" * 5000 + "\nx = 1\n")
    assert read["a"] is read["b"]
    assert read["c"]["x"] is read["a"]["x"]


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ini, "_KEPT", 1)
    text = "".join(f"[{number}]\nx{number % 2} = {number % 3}\n" for number in range(12))
    assert by_us(text) == by_configparser(text)
