"""A service key is recognised, told apart by its identifier, and never printed."""

from __future__ import annotations

import pytest

from emailproxy.config.sealkey import SealKey, new_key_text


def test_round_trip() -> None:
    text = new_key_text()
    key = SealKey.parse(f" {text}\n")
    assert key == SealKey.parse(text)
    assert len(key.octets) == 32
    assert key.identifier != SealKey.parse(new_key_text()).identifier
    assert key.identifier not in text
    assert repr(key) == f"SealKey(identifier={key.identifier!r})"


@pytest.mark.parametrize(
    "text",
    ["", "a password", new_key_text()[:-1], new_key_text() + "A", new_key_text().removeprefix("seal1_"), "seal1_"],
    ids=["nothing", "a password", "one character less", "one more", "without its beginning", "its beginning"],
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"^this is no service key$"):
        SealKey.parse(text)
