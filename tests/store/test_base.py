"""Records turn into option texts and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.config import accounts
from emailproxy.store.base import CACHED_OPTIONS, RECORD_OPTIONS, Record

_TEXT = st.none() | st.text(min_size=1)
_NUMBER = st.none() | st.integers(0, 2**40)


@given(
    st.builds(
        Record,
        token_salt=_TEXT,
        token_iterations=_NUMBER,
        access_token=_TEXT,
        access_token_expiry=_NUMBER,
        refresh_token=_TEXT,
        client_secret_encrypted=_TEXT,
        last_activity=_NUMBER,
        refresh_token_issued=_NUMBER,
        lease_owner=_TEXT,
        lease_until=_NUMBER,
    )
)
def test_round_trip(record: Record) -> None:
    assert Record.from_options(record.to_options()) == record


def test_from_options_is_lenient_where_files_are() -> None:
    options = {"access_token_expiry": "17.9", "refresh_token": "", "token_url": "unknown"}
    assert Record.from_options(options) == Record(access_token_expiry=17)


@pytest.mark.parametrize("text", ["s3cret", "inf", "nan", "1e999"])
def test_a_number_that_is_none_is_named_without_its_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"^last_activity is not a number$"):
        Record.from_options({"last_activity": text})


def test_a_file_holds_all_but_what_only_secret_managers_need() -> None:
    assert set(RECORD_OPTIONS) - set(CACHED_OPTIONS) == {"refresh_token_issued", "password_check"}
    record = Record(refresh_token="r", refresh_token_issued=1, lease_owner="me", lease_until=2, password_check="c")
    assert record.to_options(CACHED_OPTIONS) == {"refresh_token": "r", "lease_owner": "me", "lease_until": "2"}


def test_the_configuration_knows_the_same_options() -> None:
    assert set(CACHED_OPTIONS) == accounts.CACHED_OPTIONS
