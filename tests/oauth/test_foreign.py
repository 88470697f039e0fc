from __future__ import annotations

import pytest

from emailproxy.oauth.foreign import foreign


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain", "plain"),
        ("a\r\nFAKE LOG LINE", "a  FAKE LOG LINE"),
        ("\x1b[31mred\x00", "?[31mred?"),
        ("bidi \u202e trick", "bidi ? trick"),
        ("\udcff", "?"),
        ("caf\xe9", "caf\xe9"),
    ],
)
def test_is_printable_and_on_one_line(text: str, clean: str) -> None:
    assert foreign(text) == clean


def test_is_cut() -> None:
    assert foreign("x" * 512) == "x" * 512
    assert foreign("x" * 513) == "x" * 509 + "..."
