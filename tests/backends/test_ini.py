"""Editing an INI text changes what it should and not one octet more."""

from __future__ import annotations

import configparser
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailproxy_backends.ini import UnwritableError, edited, parsed, without_if_empty

TOKEN = {"access_token": "NEW"}


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        pytest.param("[a@x]\naccess_token = 1\nz = 2\n", TOKEN, "[a@x]\naccess_token = NEW\nz = 2\n", id="in place"),
        pytest.param(
            "[a@x]\nz = 2\n\n# next\n[b]\n", TOKEN, "[a@x]\nz = 2\naccess_token = NEW\n\n# next\n[b]\n", id="new"
        ),
        pytest.param("[a@x]\n\n# next\n[b]\n", TOKEN, "[a@x]\naccess_token = NEW\n\n# next\n[b]\n", id="first of all"),
        pytest.param("[b]\nq=1\n", TOKEN, "[b]\nq=1\n\n[a@x]\naccess_token = NEW\n", id="new section"),
        pytest.param("", TOKEN, "[a@x]\naccess_token = NEW\n", id="empty text"),
        pytest.param("[b]\nq=1", TOKEN, "[b]\nq=1\n\n[a@x]\naccess_token = NEW\n", id="new section, no final newline"),
        pytest.param("[b]\nq=1\n\n\n", TOKEN, "[b]\nq=1\n\n\n[a@x]\naccess_token = NEW\n", id="blank lines at the end"),
        pytest.param("[a@x]\naccess_token=1", TOKEN, "[a@x]\naccess_token=NEW", id="no final newline, replaced"),
        pytest.param("[a@x]\nz=2", TOKEN, "[a@x]\nz=2\naccess_token = NEW\n", id="no final newline, added"),
        pytest.param("[a@x]", TOKEN, "[a@x]\naccess_token = NEW\n", id="header only"),
        pytest.param(
            "[b]\r\nq=1\r\n[a@x]\r\nz=2\r\n", TOKEN, "[b]\r\nq=1\r\n[a@x]\r\nz=2\r\naccess_token = NEW\r\n", id="CRLF"
        ),
        pytest.param("[b]\r\nq=1\r\n", TOKEN, "[b]\r\nq=1\r\n\r\n[a@x]\r\naccess_token = NEW\r\n", id="CRLF, section"),
        pytest.param("[a@x]\raccess_token = 1\rz=2\r", TOKEN, "[a@x]\raccess_token = NEW\rz=2\r", id="CR alone"),
        pytest.param(
            "[a@x]\nz = 1\x0b\u2028x\n", TOKEN, "[a@x]\nz = 1\x0b\u2028x\naccess_token = NEW\n", id="other ends"
        ),
        pytest.param("[a@x]\nAccess_Token  :\t1\n", TOKEN, "[a@x]\nAccess_Token  :\tNEW\n", id="spelling and spacing"),
        pytest.param("[a@x]\naccess_token =\n", TOKEN, "[a@x]\naccess_token = NEW\n", id="empty value"),
        pytest.param(
            "[a@x] ; mine\naccess_token=1  \n", TOKEN, "[a@x] ; mine\naccess_token=NEW\n", id="header comment"
        ),
        pytest.param(
            "[a@x]\n  z = 2\n\n  [b]\n  q = 1\n",
            TOKEN,
            "[a@x]\n  z = 2\n  access_token = NEW\n\n  [b]\n  q = 1\n",
            id="indented section behind",
        ),
        pytest.param(
            "[a@x]\n    [b]\n    q = 1\n",
            TOKEN,
            "[a@x]\n    access_token = NEW\n    [b]\n    q = 1\n",
            id="only indented",
        ),
        pytest.param(
            "[a@x]\naccess_token = 1\n more\n# human\n\n evenmore\nz=2\n",
            TOKEN,
            "[a@x]\naccess_token = NEW\n# human\n\nz=2\n",
            id="continuation lines around a comment",
        ),
        pytest.param("[a@x]\naccess_token = 1\n", {"access_token": None}, "[a@x]\n", id="removed"),
        pytest.param("[a@x]\nz=2\naccess_token = 1", {"access_token": None}, "[a@x]\nz=2\n", id="removed at the end"),
        pytest.param(
            "[a@x]\nclient_secret = 1\n two\nz=2\n",
            {"client_secret": None},
            "[a@x]\nz=2\n",
            id="removed with its lines",
        ),
        pytest.param(
            "[a@x]\naccess_token = 1",
            {"access_token": None, "token_salt": "S"},
            "[a@x]\ntoken_salt = S\n",
            id="removed and another added behind it",
        ),
        pytest.param(
            "[DEFAULT]\naccess_token = 0\n[a@x]\nz=1\n",
            TOKEN,
            "[DEFAULT]\naccess_token = 0\n[a@x]\nz=1\naccess_token = NEW\n",
            id="a default is another section",
        ),
        pytest.param("[a@x]\n[b]\n[A@X]\n", TOKEN, "[a@x]\naccess_token = NEW\n[b]\n[A@X]\n", id="case of sections"),
    ],
)
def test_edited(before: str, changes: dict[str, str | None], after: str) -> None:
    assert edited(before, "a@x", changes) == after
    wanted = parsed(before)
    section = wanted.setdefault("a@x", {})
    for name, value in changes.items():
        section.pop(name, None)
        if value is not None:
            section[name] = value
    assert parsed(after) == wanted


@pytest.mark.parametrize("value", ["", " leading", "trailing ", "two\nlines", "carriage\rreturn"])
def test_what_would_not_be_read_back_is_refused(value: str) -> None:
    with pytest.raises(UnwritableError, match=r"^access_token$"):
        edited("[a@x]\n", "a@x", {"access_token": value})


@pytest.mark.parametrize("name", ["", "a\nb", "a\rb"])
def test_names_that_are_no_section_are_refused(name: str) -> None:
    with pytest.raises(UnwritableError):
        edited("", name, TOKEN)


def test_default_section_gives_nothing_to_others() -> None:
    assert parsed("[DEFAULT]\nx = 1\n[a]\ny = 2\n") == {"DEFAULT": {"x": "1"}, "a": {"y": "2"}}


# Lines of which texts are made: every kind of line there is, odd ones first.
_NAMES = st.sampled_from(
    ["access_token", "ACCESS_TOKEN", "token_salt", "client_secret", "z", "two words", "ключ", "[x"]
)
_SECTIONS = st.sampled_from(["a@x", "A@X", "b", "DEFAULT", "c]d", " spaced "])
_INDENT = st.sampled_from(["", "", "", " ", "    ", "\t"])
_LINES = st.one_of(
    st.builds("{}[{}]{}".format, _INDENT, _SECTIONS, st.sampled_from(["", " ; comment", "]", "   "])),
    st.builds(
        "{}{}{}{}".format,
        _INDENT,
        _NAMES,
        st.sampled_from(["=", " = ", ":", " :\t", "  =  "]),
        st.sampled_from(
            ["", "value", "%x", "a=b", "#no comment", "; nor this", "[not a section]", "trailing  ", "\x0b\x1cx"]
        ),
    ),
    st.builds("{}{}".format, st.sampled_from([" ", "\t", "      "]), st.sampled_from(["continued", "[more]", "x = y"])),
    st.builds("{}{}".format, _INDENT, st.sampled_from(["# comment", "; comment", "#", ";x = y"])),
    st.sampled_from(["", " ", "\t"]),
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r"]]))
    lines = draw(st.lists(_LINES, max_size=12))
    text = "".join(line + draw(st.sampled_from(ends)) for line in ["[b]", *lines])
    return text if draw(st.booleans()) else text.rstrip("\r\n")


_VALUES = st.one_of(st.none(), st.sampled_from(["NEW", "a=b", "%(x)s", "#x", ";x", "[y]", ": z", "ü€😀"]))


@settings(max_examples=600, deadline=None)
@given(text=texts(), changes=st.dictionaries(st.sampled_from(["access_token", "token_salt", "refresh_token"]), _VALUES))
def test_any_text_changes_only_where_it_should(text: str, changes: dict[str, str | None]) -> None:
    try:
        before = parsed(text)
    except configparser.Error:
        return
    after = edited(text, "a@x", changes)

    expected = {name: dict(options) for name, options in before.items()}
    mine = expected.setdefault("a@x", {})
    for name, value in changes.items():
        mine.pop(name, None)
        if value is not None:
            mine[name] = value
    assert parsed(after) == expected

    # Octet for octet: take the lines of the changed options out of both, and the rest is the same, in its order.
    assert _rest(after, set(changes)) == _rest(text, set(changes)) + ([] if "a@x" in before else _appended(text))
    # And making the change again changes nothing.
    assert edited(after, "a@x", changes) == after


def _appended(text: str) -> list[str]:
    """What a new section adds besides its options: an empty line, if there is none, and the header."""
    last = list(io.StringIO(text, newline=""))[-1]
    return ([""] if last.strip() else []) + ["[a@x]"]


def _rest(text: str, changed: set[str]) -> list[str]:
    """The lines of `text` without their ends, but for those that are part of the `changed` options of [a@x]."""
    lines = list(io.StringIO(text, newline=""))
    kept = []
    for number, line in enumerate(lines):
        # A line belongs to a changed option if the option's value changes, or is gone, when the line is.
        content = line.rstrip("\r\n")
        if not line.strip() or line.strip()[0] in "#;" or not _belongs(lines, number, changed):
            kept.append(content)
    return kept


def _belongs(lines: list[str], number: int, changed: set[str]) -> bool:
    """Whether the line is one of a changed option's, told by configparser: mark the line and see where the mark is."""
    marked = [*lines]
    content = marked[number].rstrip("\r\n")
    end = marked[number][len(content) :]
    marked[number] = content.rstrip() + "MARK" + end
    try:
        sections = parsed("".join(marked))
    except configparser.Error:
        return False
    return any("MARK" in value for name, value in sections.get("a@x", {}).items() if name in changed)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("[b]\nq=1\n\n[a@x]\n", "[b]\nq=1\n\n", id="last"),
        pytest.param("[a@x]\n\n[b]\nq=1\n", "\n[b]\nq=1\n", id="first"),
        pytest.param("[a@x]", "", id="only"),
        pytest.param("[b]\r\n[a@x]\r\n \r\n[c]\r\n", "[b]\r\n \r\n[c]\r\n", id="CRLF"),
        pytest.param("[b]\n# of b\n\n[a@x]\n", "[b]\n# of b\n\n", id="comment further up"),
    ],
)
def test_a_section_of_nothing_goes(before: str, after: str) -> None:
    assert without_if_empty(before, "a@x") == after


@pytest.mark.parametrize(
    "text",
    [
        "[a@x]\nz = 1\n",
        "[a@x]\n# mine\n",
        "[a@x] ; mine\n",
        "# Ada's\n[a@x]\n",
        "[b]\nq=1\n",
        "[A@X]\n",
    ],
)
def test_a_section_with_words_of_a_person_stays(text: str) -> None:
    assert without_if_empty(text, "a@x") == text
