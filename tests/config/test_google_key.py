"""Keys of service accounts, whole and broken."""

from __future__ import annotations

import pytest

from emailproxy.config.credential import CredentialError
from emailproxy.config.google_key import parse_google_key

from .keys import PASSPHRASE, google_key, key, rsa_key


def test_whole() -> None:
    found = parse_google_key(google_key().encode())
    assert (found.email, found.key_id) == ("proxy@mail.iam.gserviceaccount.com", "0123456789abcdef")
    assert found.key.private_numbers() == rsa_key().private_numbers()
    assert "PRIVATE" not in repr(found)
    assert parse_google_key(google_key(private_key_id=None).encode()).key_id is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "no key of a service account"),
        ('{"type": "authorized_user"}', "no key of a service account"),
        (google_key(client_email=None), "client_email or private_key is missing"),
        (google_key(private_key=7), "client_email or private_key is missing"),
        (google_key(private_key=key().decode()[:400]), "no private key that can be read"),
        (google_key(private_key="\ud800"), "no private key that can be read"),
        (google_key(private_key=key(passphrase=PASSPHRASE).decode()), "encrypted"),
    ],
)
def test_broken(text: str, said: str) -> None:
    with pytest.raises(CredentialError) as caught:
        parse_google_key(text.encode())
    assert said in str(caught.value)
    assert key().decode().splitlines()[3] not in str(caught.value)
