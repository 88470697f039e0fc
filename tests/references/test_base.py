"""A reference may be printed; what it led to may not."""

from __future__ import annotations

import pytest

from emailproxy.references.base import Fetched, Reference, SecretValue
from emailproxy.secret import Secret


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (Reference("azure", "v/secrets/n?endpoint=https://h&ca=/x"), "azure:v/secrets/n"),
        (Reference("aws", "p||n#field?region=r"), "aws:p||n#field"),
        (Reference("file", "/run/a?b"), "file:/run/a?b"),
        (Reference("env", "A"), "env:A"),
        (Reference("env", "A\x1b[2J"), r"'env:A\x1b[2J'"),
    ],
)
def test_its_text_is_the_address_without_options(reference: Reference, text: str) -> None:
    assert str(reference) == text


def test_nothing_prints_a_value() -> None:
    fetched = Fetched(Reference("env", "A"), Secret("s3cret"))
    assert "s3cret" not in f"{fetched!r} {fetched} {SecretValue(Secret('s3cret'))!r}"
    assert str(fetched) == "env:A"
