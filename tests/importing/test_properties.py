"""Java properties, as ``java.util.Properties.store`` writes them and people edit them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.importing.properties import parse


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("a=b", {"a": "b"}),
        ("a:b", {"a": "b"}),
        ("a b", {"a": "b"}),
        ("  a \t = \t b c ", {"a": "b c "}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("a==b", {"a": "=b"}),
        ("# c=d\n! e=f\n\n   \na=b", {"a": "b"}),
        ("a=b\r\nc=d\re=f\n", {"a": "b", "c": "d", "e": "f"}),
        ("a=b\\\n   c\\\r\n\td", {"a": "bcd"}),
        ("a=b\\\\\nc=d", {"a": "b\\", "c": "d"}),
        ("a=b\\", {"a": "b"}),
        ("contoso\\\\bob=plain\\=token\\: x", {"contoso\\bob": "plain=token: x"}),
        ("a\\ b\\=c=d", {"a b=c": "d"}),
        ("j\\u00FCrgen=\\t\\n\\q", {"jürgen": "\t\nq"}),
        ("a=1\na=2", {"a": "2"}),
        ("path=C:\\\\mail\\\\tokens", {"path": "C:\\mail\\tokens"}),
    ],
)
def test_parse(text: str, properties: dict[str, str]) -> None:
    assert parse(text.encode("iso-8859-1")) == properties


@given(st.binary())
def test_anything_is_read(octets: bytes) -> None:
    parse(octets)
