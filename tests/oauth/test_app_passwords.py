"""What is kept of an app password, and what one is good for."""

from __future__ import annotations

import json

import pytest

from emailproxy.config.model import MailProtocol
from emailproxy.oauth.app_passwords import (
    ALPHABET,
    AppPasswords,
    identifier_of,
    merged_uses,
    new_password,
    parse_uses,
)
from emailproxy.secret import Secret

from .managing_support import OLD, PHONE, PRINTER, entry
from .support import EPOCH

BOTH = AppPasswords((entry(PHONE, "phone", networks=("192.0.2.0/24",)), entry(OLD, "mail password")))


def test_round_trip() -> None:
    assert AppPasswords.parse(BOTH.text.reveal()) == BOTH


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"v": 3, "passwords": []}',
        '{"v": 1, "passwords": [{}]}',
        '{"v": 1, "passwords": 7}',
        "no json",
        BOTH.text.reveal().replace("argon2id", "argon2i"),
        BOTH.text.reveal().replace("m=8,", "m=9999999,"),
    ],
)
def test_what_is_damaged_or_costs_too_much_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"app passwords|Expecting value"):
        AppPasswords.parse(text)


def test_new_ones_differ_and_say_which_they_are() -> None:
    made = {new_password(BOTH).reveal() for _ in range(200)}
    assert len(made) == 200
    assert all(len(text) == 16 and set(text) <= set(ALPHABET) for text in made)
    assert not any(text.startswith("abc") for text in made), "another password has that identifier"
    text = made.pop()
    assert identifier_of(Secret(text)) == text[:3]
    assert identifier_of(Secret("Abcdefghijkmnpqr")) == ""
    assert identifier_of(OLD) == ""


def test_few_hashes_are_checked_for_a_password() -> None:
    assert BOTH.candidates(PHONE) == BOTH.entries
    assert BOTH.candidates(PRINTER) == BOTH.entries[1:]
    assert AppPasswords(BOTH.entries[:1]).candidates(PRINTER) == ()


def test_they_are_found_by_identifier_and_by_name() -> None:
    assert BOTH.find("abc") is BOTH.entries[0]
    assert BOTH.find("mail password") is BOTH.entries[1]
    assert BOTH.find("") is None


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("192.0.2.255", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.3.1", False),
        ("2001:db8::1", False),
        ("", False),
        ("no address", False),
    ],
)
def test_networks(host: str, good: bool) -> None:
    assert (BOTH.entries[0].objection(EPOCH, host, MailProtocol.IMAP) is None) is good


def test_expiry_and_protocols() -> None:
    limited = entry(PHONE, "phone", expires=EPOCH + 10, protocols=("SMTP",))
    assert limited.objection(EPOCH + 9, "192.0.2.1", MailProtocol.SMTP) is None
    assert "expired" in (limited.objection(EPOCH + 10, "192.0.2.1", MailProtocol.SMTP) or "")
    assert "SMTP only" in (limited.objection(EPOCH, "192.0.2.1", MailProtocol.POP) or "")


def test_the_times_of_use_are_those_of_passwords_that_are_there() -> None:
    text = merged_uses('{"abc": 5, "gone": 9}', {"abc": 3, "": 7}, BOTH)
    assert parse_uses(text) == {"abc": 5, "": 7}
    assert merged_uses(None, {}, BOTH) is None
    assert parse_uses("damaged") == parse_uses("[]") == parse_uses(json.dumps({"abc": "x"})) == {}


def test_a_hash_is_not_printed() -> None:
    assert "argon2" not in repr(BOTH)
