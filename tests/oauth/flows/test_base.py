from __future__ import annotations

import pytest

from emailproxy.oauth.flows.base import text_of_password
from emailproxy.secret import Secret


@pytest.mark.parametrize(
    ("octets", "text"),
    [(b"plain", "plain"), ("pässwörd".encode(), "pässwörd"), ("pässwörd".encode("latin-1"), "pässwörd")],
)
def test_a_password_as_the_provider_knows_it(octets: bytes, text: str) -> None:
    assert text_of_password(Secret.from_octets(octets)) == text
