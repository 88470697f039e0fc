from __future__ import annotations

import base64

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from emailproxy.oauth.sealing import Iterations, check_value, derive_key, new_salt, parse_salt
from emailproxy.secret import Secret
from emailproxy.store.base import Record

SALT = bytes(range(16))


def plain_fernet(password: bytes, salt: bytes, iterations: int) -> Fernet:
    """The format in other words, straight from its description."""
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=iterations)
    return Fernet(base64.urlsafe_b64encode(kdf.derive(password)))


def test_opens_what_plain_cryptography_sealed() -> None:
    sealed = plain_fernet("pässwörd".encode(), SALT, 50).encrypt(b"a token").decode()
    opened = derive_key(Secret("pässwörd"), SALT, 50).open(sealed)
    assert opened is not None
    assert opened.reveal() == "a token"


def test_plain_cryptography_opens_what_we_sealed() -> None:
    sealed = derive_key(Secret("pw"), SALT, 50).seal(Secret("a token"))
    assert plain_fernet(b"pw", SALT, 50).decrypt(sealed) == b"a token"


def test_a_vector_that_never_changes() -> None:
    # Computed once with hashlib.pbkdf2_hmac and Fernet at the format's legacy count.
    sealed = "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD8ULUtRA78fL2Yeh5D_3KMuiucXniA6fAcTdhpA_Lim96iPNZ3P7AyvgeEsUvlAdkA=="
    opened = derive_key(Secret("correct horse"), SALT, 100_000).open(sealed)
    assert opened is not None
    assert opened.reveal() == "token of 2023"


@settings(max_examples=25, deadline=None)
@given(value=st.binary(max_size=200), password=st.binary(min_size=1, max_size=40))
def test_any_octets_survive(value: bytes, password: bytes) -> None:
    key = derive_key(Secret.from_octets(password), SALT, 1)
    opened = key.open(key.seal(Secret.from_octets(value)))
    assert opened is not None
    assert opened.octets == value


@pytest.mark.parametrize("sealed", ["", "x", "not base64 at all!", "gAAAA", "\udcff", "ü" * 100, "A" * 100])
def test_what_is_no_sealed_value_does_not_open(sealed: str) -> None:
    assert derive_key(Secret("pw"), SALT, 1).open(sealed) is None


def test_another_password_salt_or_count_does_not_open() -> None:
    sealed = derive_key(Secret("pw"), SALT, 2).seal(Secret("token"))
    assert derive_key(Secret("pW"), SALT, 2).open(sealed) is None
    assert derive_key(Secret("pw"), SALT[::-1], 2).open(sealed) is None
    assert derive_key(Secret("pw"), SALT, 3).open(sealed) is None


def test_a_key_shows_nothing() -> None:
    key = derive_key(Secret("pw"), SALT, 1)
    assert "fernet" not in repr(key).lower()


@pytest.mark.parametrize(
    ("text", "salt"),
    [
        (base64.b64encode(SALT).decode(), SALT),
        (" " + base64.b64encode(SALT).decode() + "\n", SALT),
        (None, None),
        ("", None),
        ("abc", None),  # wrong padding
        ("====", None),
        ("my salt ü", None),
    ],
)
def test_salts_as_files_hold_them(text: str | None, salt: bytes | None) -> None:
    assert parse_salt(text) == salt


def test_salts_are_fresh() -> None:
    assert len({new_salt() for _ in range(50)}) == 50
    assert len(new_salt()) == 16


def test_the_formats_own_counts() -> None:
    counts = Iterations()
    assert counts.candidates(None) == (100_000, 1_200_000)
    assert counts.candidates(1_200_000) == (1_200_000, 100_000)
    assert counts.candidates(700_000) == (700_000, 1_200_000, 100_000)
    assert counts.candidates(2_000_000) == (2_000_000, 1_200_000, 100_000)
    assert counts.candidates(10**12) == (100_000, 1_200_000), "a trap"
    assert counts.candidates(-5) == (100_000, 1_200_000)
    assert (counts.target(None), counts.target(2_000_000), counts.target(10**12)) == (1_200_000, 2_000_000, 1_200_000)


def test_the_most_precious_value_decides() -> None:
    assert check_value(Record(access_token="a", refresh_token="r", client_secret_encrypted="c")) == "r"
    assert check_value(Record(access_token="a", client_secret_encrypted="c")) == "a"
    assert check_value(Record(client_secret_encrypted="c")) == "c"
    assert check_value(Record(token_salt="s")) is None
