"""What counts as a person's change of the configuration file."""

from __future__ import annotations

import pytest

from emailproxy.config.fingerprint import fingerprint
from emailproxy.store.base import CACHED_OPTIONS

FILE = b"""\
# a comment
[IMAP-1993]
server_address = imap.example.com
server_port = 993

[you@example.com]
token_url = https://example.com/token
client_id = mail
client_secret = plain
    and more
"""


def differs(newer: bytes, older: bytes = FILE) -> bool:
    return fingerprint(older).differs(fingerprint(newer))


@pytest.mark.parametrize("option", CACHED_OPTIONS)
def test_what_the_proxy_writes_does_not_count(option: str) -> None:
    assert not differs(FILE + f"{option} = x\n    continued\n{option.upper()}: y\n".encode())


def test_an_account_that_a_template_caught_does_not_count() -> None:
    assert not differs(FILE + b"\n[new@example.com]\ntoken_salt = x\naccess_token = y\n")


def test_a_secret_that_the_proxy_has_sealed_does_not_count() -> None:
    sealed = FILE.replace(b"client_secret = plain\n    and more\n", b"client_secret_encrypted = gAAAA\n")
    assert not differs(sealed)
    assert differs(sealed + b"client_secret = new\n"), "a person's new one does"
    assert differs(FILE.replace(b"client_secret = plain\n    and more\n", b"")), "a person has removed it"


@pytest.mark.parametrize(
    "newer",
    [
        FILE.replace(b"993\n", b"994\n"),
        FILE.replace(b"and more", b"and less"),
        FILE.replace(b"[you@", b"[me@"),
        FILE.replace(b"client_id = mail\n", b""),
        FILE + b"[emailproxy]\ndrain = 3\n",
        FILE + b"access_token = x\nuse_pkce = True\n",
        b"",
    ],
    ids=[
        "a port",
        "a continuation",
        "a section's name",
        "an option gone",
        "a new section",
        "behind a token",
        "all gone",
    ],
)
def test_what_a_person_changes_counts(newer: bytes) -> None:
    assert differs(newer)


@pytest.mark.parametrize(
    "newer",
    [
        FILE.replace(b"a comment", b"another"),
        FILE.replace(b"\n\n", b"\n\n\n"),
        FILE.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + FILE,
    ],
    ids=["a comment", "a blank line", "line ends", "a byte order mark"],
)
def test_what_means_the_same_does_not_count(newer: bytes) -> None:
    assert not differs(newer)
