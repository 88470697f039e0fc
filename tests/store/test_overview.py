"""What may be told of a store's records, and how the failure of one is kept from the others."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import trio

from emailproxy.oauth.sealing import derive_key
from emailproxy.secret import Secret
from emailproxy.store.base import Record, StoreContentError, Stored, StoreUnavailableError
from emailproxy.store.cached import CachedStore
from emailproxy.store.overview import READS_AT_ONCE, metadata, overview, sealed_at
from emailproxy.testing.memory_store import MemoryStore
from emailproxy.testing.store_contract import EXAMPLE


class Damaged(MemoryStore):
    """A store in which some records cannot be read."""

    def __init__(self, **failures: Exception) -> None:
        super().__init__()
        self.failures = failures
        self.asked = 0

    def load(self, account: str) -> Stored | None:
        self.asked += 1
        if account in self.failures:
            raise self.failures[account]
        return super().load(account)


async def test_each_account_has_an_answer_of_its_own() -> None:
    store = Damaged(b=StoreContentError("damaged"))
    for account in "abc":
        store.records[account] = EXAMPLE
    entries = await overview(CachedStore(store))
    assert [entry.account for entry in entries] == ["a", "b", "c"]
    assert [entry.failure is None for entry in entries] == [True, False, True]
    assert entries[0].stored is not None
    assert entries[0].stored.record == EXAMPLE


async def test_a_store_that_is_away_is_asked_no_more() -> None:
    store = Damaged(**dict.fromkeys("abcdefghijklmnopqrstuvwxyz", StoreUnavailableError("away")))
    store.records |= dict.fromkeys("abcdefghijklmnopqrstuvwxyz", EXAMPLE)
    with pytest.raises(StoreUnavailableError, match="away"):
        await overview(CachedStore(store))
    assert store.asked <= READS_AT_ONCE


async def test_only_some_reads_at_a_time() -> None:
    class Slow(CachedStore):
        now, most = 0, 0

        async def load_fresh(self, account: str) -> Stored | None:
            self.now += 1
            self.most = max(self.most, self.now)
            await trio.sleep(0.001)
            self.now -= 1
            return await super().load_fresh(account)

    store = MemoryStore()
    store.records |= {str(number): EXAMPLE for number in range(50)}
    slow = Slow(store)
    assert len(await overview(slow)) == 50
    assert slow.most == READS_AT_ONCE


def test_metadata_holds_no_text_that_is_not_meant_to_be_seen() -> None:
    shown = metadata(EXAMPLE)
    texts = [getattr(EXAMPLE, field.name) for field in fields(Record)]
    secrets = [text for text in texts if isinstance(text, str) and not text.startswith("lease")]
    assert secrets
    assert not [secret for secret in secrets if secret in repr(shown)]
    assert shown["refresh_token_octets"] == len(EXAMPLE.refresh_token or "")
    assert metadata(replace(EXAMPLE, refresh_token=None))["refresh_token_octets"] is None


def test_when_a_value_was_sealed() -> None:
    key = derive_key(Secret("x"), b"salt", 1)
    with_time = key._fernet.encrypt_at_time(b"token", 1_700_000_000).decode()
    assert sealed_at(with_time) == 1_700_000_000
    for other in (None, "", "short", "not base64 at all, but long", "ü" * 20, "A" * 40):
        assert sealed_at(other) is None
