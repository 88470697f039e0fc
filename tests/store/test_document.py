"""A document keeps what lasts, names its account, and refuses what is not ours."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.store.base import Record, StoreContentError, StoreTooLargeError
from emailproxy.store.document import account_hash, check_ours, decode, encode, lasting

RECORD = Record(
    "salt",
    1_200_000,
    "access",
    1_800_000_000,
    "refresh",
    "sealed secret",
    1_700_000_000,
    1_700_000_001,
    "me",
    1_700_000_060,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(NAMES, st.builds(Record, token_salt=NAMES, refresh_token=NAMES, token_iterations=st.integers(1, 10**9)))
def test_round_trip(account: str, record: Record) -> None:
    assert decode(account, encode(account, record, limit=10**6, where="w"), where="w") == lasting(record)


def test_what_changes_all_the_time_is_left_out() -> None:
    text = encode("a@b", RECORD, limit=1_000, where="w")
    assert "access" not in text.replace("account", "")
    assert text == encode("a@b", lasting(RECORD), limit=1_000, where="w")
    assert decode("a@b", text, where="w") == lasting(RECORD)


def test_what_the_proxies_tell_each_other_is_kept() -> None:
    record = decode("a@b", encode("a@b", RECORD, limit=1_000, where="w"), where="w")
    assert (record.refresh_token_issued, record.lease_owner, record.lease_until) == (1_700_000_001, "me", 1_700_000_060)


def test_a_document_from_before_a_field_is_read_and_a_field_from_later_is_not_kept() -> None:
    old = '{"account":"a@b","record":{"refresh_token":"r"},"v":1}'
    assert decode("a@b", old, where="w") == Record(refresh_token="r")
    later = '{"account":"a@b","record":{"refresh_token":"r","refresh_token_hash":"of the old one"},"v":1}'
    assert encode("a@b", decode("a@b", later, where="w"), limit=1_000, where="w") == old


def test_damage_is_ours_too() -> None:
    text = '{"account":"a@b","record":{"token_iterations":"x"},"v":1}'
    assert check_ours("a@b", text, where="w") == {"token_iterations": "x"}


@pytest.mark.parametrize(
    ("account", "token"),
    [("\ud800@b", "r"), ("\ud801\udc80@b", "r"), ("a@b", "\ud800")],
    ids=["name", "two", "value"],
)
def test_what_utf_8_cannot_hold_is_refused_without_being_repeated(account: str, token: str) -> None:
    assert re.fullmatch("[a-z2-7]{52}", account_hash(account))
    with pytest.raises(StoreContentError, match=r"^w: what is not UTF-8 cannot be stored$"):
        encode(account, Record(refresh_token=token), limit=1_000, where="w")


def test_size_is_octets_and_is_told_with_the_limit() -> None:
    record = Record(refresh_token="ü" * 100)
    size = len(encode("a@b", record, limit=10_000, where="w").encode())
    encode("a@b", record, limit=size, where="w")
    with pytest.raises(StoreTooLargeError, match=rf"w: .* {size} octets; the service takes {size - 1}"):
        encode("a@b", record, limit=size - 1, where="w")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "{}",
        '{"v":1}',
        '{"v":1,"account":"a@b","record":[]}',
        '{"user":{"token_salt":"x"}}',
        "[" * 100_000,
    ],
)
def test_foreign_content(text: str) -> None:
    with pytest.raises(StoreContentError, match="not written by emailproxy"):
        decode("a@b", text, where="w")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"v": 3}, "upgrade"),
        ({"account": "c@d"}, "another account"),
        ({"record": {"token_iterations": "x"}}, "damaged"),
    ],
)
def test_documents_that_are_not_this_one(change: dict[str, object], words: str) -> None:
    document = json.loads(encode("a@b", RECORD, limit=1_000, where="w")) | change
    with pytest.raises(StoreContentError, match=words):
        decode("a@b", json.dumps(document), where="w")


@given(NAMES, NAMES)
def test_hashes_are_legal_everywhere_and_differ(one: str, other: str) -> None:
    assert re.fullmatch("[a-z2-7]{52}", account_hash(one))
    assert (account_hash(one) == account_hash(other)) is (one == other)
