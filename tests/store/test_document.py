"""A document keeps what lasts, names its account, and refuses what is not ours."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.store.base import Record, StoreContentError, StoreTooLargeError
from emailproxy.store.document import account_hash, decode, encode, lasting

RECORD = Record("salt", 1_200_000, "access", 1_800_000_000, "refresh", "sealed secret", 1_700_000_000)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(NAMES, st.builds(Record, token_salt=NAMES, refresh_token=NAMES, token_iterations=st.integers(1, 10**9)))
def test_round_trip(account: str, record: Record) -> None:
    assert decode(account, encode(account, record, limit=10**6, where="w"), where="w") == lasting(record)


def test_what_changes_all_the_time_is_left_out() -> None:
    text = encode("a@b", RECORD, limit=1_000, where="w")
    assert "access" not in text.replace("account", "")
    assert text == encode("a@b", lasting(RECORD), limit=1_000, where="w")
    assert decode("a@b", text, where="w") == lasting(RECORD)


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
    ],
)
def test_foreign_content(text: str) -> None:
    with pytest.raises(StoreContentError, match="not written by emailproxy"):
        decode("a@b", text, where="w")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"v": 2}, "upgrade"),
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
