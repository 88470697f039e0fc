"""One service key gives each account another key, and a record says which service key that was."""

from __future__ import annotations

import pytest

from emailproxy.config.model import Settings
from emailproxy.oauth.servicekey import NoSealKeyError, account_key, current_key, key_of
from emailproxy.secret import Secret
from emailproxy.store.base import Record

from .managing_support import KEY, MANAGED, OTHER_KEY, ROTATED


def test_a_value_opens_for_its_account_and_key_only() -> None:
    sealed = account_key(KEY, "Ada@example.com").seal(Secret("token"))
    assert account_key(KEY, "ada@EXAMPLE.com").open(sealed) == Secret("token")
    assert account_key(KEY, "bob@example.com").open(sealed) is None
    assert account_key(OTHER_KEY, "ada@example.com").open(sealed) is None
    assert account_key(KEY, "ada@example.com").open("no sealed value") is None


def test_a_record_bears_the_key() -> None:
    stamped = account_key(KEY, "ada@example.com").stamped(Record(token_salt="old", token_iterations=7))
    assert stamped == Record(sealed_by=KEY.identifier)


def test_which_key_it_is() -> None:
    assert current_key(ROTATED, "a@b").identifier == OTHER_KEY.identifier
    assert key_of(ROTATED, "a@b", KEY.identifier).identifier == KEY.identifier
    with pytest.raises(NoSealKeyError, match=f"{OTHER_KEY.identifier}.*has {KEY.identifier}"):
        key_of(MANAGED, "a@b", OTHER_KEY.identifier)
    with pytest.raises(NoSealKeyError, match="has none"):
        key_of(Settings(), "a@b", KEY.identifier)
    with pytest.raises(NoSealKeyError, match="emailproxy seal init"):
        current_key(Settings(), "a@b")
