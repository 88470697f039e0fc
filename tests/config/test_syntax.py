"""INI syntax: what configparser accepts is read as it reads it, and every mistake is named with its line."""

from __future__ import annotations

import configparser
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailproxy.config import irregular
from emailproxy.config.syntax import decode, parse

FILE = Path("x.config")


def test_sections_and_options() -> None:
    text = "# first\n[DEFAULT]\nx = 0\n[a b]\nNaMe: %(x)s ; no comment\n  more\n\n  again\nx = 1\n[B] tail\n[b]\n"
    read = parse(text, FILE)
    assert read.faults == ()
    assert dict(read.sections["a b"].options) == {"x": "1", "name": "%(x)s ; no comment\nmore\n\nagain"}
    assert read.sections["a b"].own == {"name", "x"}
    assert dict(read.sections["B"].options) == {"x": "0"}
    assert read.sections["B"].own == frozenset()
    assert list(read.sections) == ["a b", "B", "b"]


def test_long_tokens_are_left_to_the_store() -> None:
    token = "gAAAA" * 1000
    options = f"client_secret = s\naccess_token = {token}\nclient_secret_encrypted = {token}\n"
    read = parse(f"[ada@x]\n{options}[@x]\n{options}[notes]\n{options}", FILE).sections
    assert read["ada@x"].own == {"client_secret", "access_token", "client_secret_encrypted"}
    assert token not in read["ada@x"].options.values()
    assert read["ada@x"].options["client_secret"] == "s"
    for name in ("@x", "notes"):
        assert read[name].options["client_secret_encrypted"] == token


def test_every_fault_is_found_with_its_line() -> None:
    text = """\
s3cret before all
[a]
x = 1
x = s3cret
  and more of it
X: 3
no option at all s3cret
[b]
y = 1
[a]
z = 1
"""
    read = parse(text, FILE)
    assert {(fault.section, fault.option, fault.problem) for fault in read.faults if fault.section} == {
        ("a", None, "line 10 begins this section a second time"),
        ("a", None, "line 7 is no option, section or comment"),
        ("a", "x", "line 4 gives this option a second time"),
        ("a", "x", "line 6 gives this option a second time"),
    }
    assert [fault.problem for fault in read.faults if not fault.section] == ["line 1 stands before the first [section]"]
    assert "s3cret" not in "".join(map(str, read.faults))
    # What could be read is there, so that the rest is checked as well.
    assert dict(read.sections["a"].options) == {"x": "1"}
    assert dict(read.sections["b"].options) == {"y": "1"}


def test_many_faults_end_somewhere() -> None:
    read = parse("[a]\n" + "x = 1\n" * 1000, FILE)
    assert len(read.faults) == irregular.MAX_SYNTAX_FAULTS + 1
    assert read.faults[-1].problem == "there are more faults than these"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    read = parse(end.join(["[a]", "x = 1\u2028\x0b2", " 3", ""]), FILE)
    assert dict(read.sections["a"].options) == {"x": "1\u2028\x0b2\n3"}


def test_decode() -> None:
    assert decode(b"\xef\xbb\xbf[a]", FILE) == ("[a]", ())
    assert decode("ü".encode(), FILE) == ("ü", ())
    text, (fault,) = decode(b"\xef\xbb\xbf[a]\nx = 1\ny = \xff\n", FILE)
    assert text == "[a]\nx = 1\ny = \ufffd\n"
    assert fault.problem == "line 3 is not UTF-8"


_LINE = st.one_of(
    st.sampled_from(
        ["[a]", "[b]", "x = 1", "x: 2", " x = 3", "  more", "", "# c", " ; d", "nonsense", "[", "= 1", "]["]
    ),
    st.text(max_size=6),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_LINE, max_size=12))
def test_any_text_is_read_or_faulted(lines: list[str]) -> None:
    text = "\n".join(lines)
    read = parse(text, FILE)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_file(list(io.StringIO(text, newline=None)))
    except configparser.Error:
        assert read.faults
    else:
        assert not read.faults
        assert {name: dict(section.options) for name, section in read.sections.items()} == {
            name: dict(parser.items(name)) for name in parser.sections()
        }
