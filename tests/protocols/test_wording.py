from hypothesis import given
from hypothesis import strategies as st

from emailproxy.protocols.wording import MAX_WORDS, printable, without
from emailproxy.secret import Secret

TOKEN = Secret("eyJ0eXAiOiJKV1QiLCJub25jZSI6IjEyMyJ9.eyJhdWQiOiJodHRwcyJ9.c2lnbmF0dXJl")


def test_printable() -> None:
    assert printable(b"a\r\n\tb\0\x1b\x7f\xc3\xa4c\xff") == "a b????c?"
    assert printable("ä\u2028\ud800") == "???"
    assert printable("\r\nx\r\n") == "x"


def test_a_cut_is_visible() -> None:
    assert printable("x" * MAX_WORDS) == "x" * MAX_WORDS
    assert printable("x" * (MAX_WORDS + 1)) == "x" * (MAX_WORDS - 3) + "..."
    assert printable(b"\xc3\xa4" * 600) == "?" * (MAX_WORDS - 3) + "..."


@given(st.one_of(st.text(), st.binary()), st.integers(4, 50))
def test_whatever_comes_is_one_printable_line(text: str | bytes, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert all(" " <= c <= "~" for c in shown)


def test_quoted_secrets_are_masked_whole_and_cut() -> None:
    text = TOKEN.reveal()
    assert without([TOKEN], f"500 unknown '{text}' ok") == "500 unknown '[secret]' ok"
    assert without([TOKEN], f"500 unknown {text[5:30]} ok") == "500 unknown [secret] ok"
    assert without([TOKEN], f"AUTH={text[:40]}...") == "[secret]"
    assert without([Secret("short"), Secret("")], b"is short.") == "is [secret]"


def test_other_words_stay() -> None:
    words = "535 5.7.139 Authentication unsuccessful [FR5P281CA0041.DEUP281.PROD.OUTLOOK.COM 2024-10-09T10:39:31.988Z]"
    assert without([TOKEN], words) == words


@given(st.integers(0, 80), st.integers(0, 80), st.text("ab =\"'<:", max_size=10), st.text("ab =\"'>,", max_size=10))
def test_no_piece_of_a_secret_is_left(start: int, end: int, before: str, after: str) -> None:
    text = TOKEN.reveal()
    shown = without([TOKEN], f"{before}{text[start:end]}{after}")
    assert not any(text[i : i + 16] in shown for i in range(len(text) - 15))
