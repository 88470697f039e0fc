"""Who guesses passwords from a thousand addresses reaches nothing, hinders nobody, and fills no memory."""

from __future__ import annotations

import pytest
import trio

from emailproxy import throttle as throttling
from emailproxy.failures import FailureKind
from emailproxy.oauth import managed, passwords, shares
from emailproxy.oauth.hashing import verify
from emailproxy.secret import Secret
from emailproxy.throttle import LOCK_AFTER, Throttle
from tests.clocks import PatientClock
from tests.oauth.managing_support import IMAP, MANAGED, PHONE, entry, managed_record
from tests.oauth.support import ACCOUNT, failure, kind, token, world

ADDRESSES = [f"198.51.{number // 250}.{number % 250 + 1}" for number in range(1000)]


def guess(number: int) -> Secret:
    """A password that begins like a real one, so that its hash is checked."""
    return Secret(f"{PHONE.reveal()[:3]}{number:013d}".replace("0", "z").replace("1", "y"))


async def test_the_owner_gets_in_while_a_thousand_addresses_guess(
    autojump_clock: PatientClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an address of its own, from one that a guesser uses as well, and as another account: at once."""
    monkeypatch.setattr(managed, "verify", lambda kept, password: kept is not None and verify(kept, password))
    throttle = Throttle()
    async with world(record=managed_record(entry(PHONE, "phone")), settings=MANAGED) as w:
        before = w.records.record
        for number, address in enumerate(ADDRESSES):
            assert throttle.admits(address, ACCOUNT.name)
            told = await failure(w, guess(number), client=f"{address}:1", server=IMAP)
            assert told.failure.kind is FailureKind.WRONG_CREDENTIALS
            assert throttle.failed(address, ACCOUNT.name) == 0, "one mistake each costs none of them anything"
        for client in ("192.0.2.1", ADDRESSES[0]):
            assert throttle.admits(client, ACCOUNT.name)
            assert await token(w, PHONE, client=f"{client}:1", server=IMAP) == "old-access"
        assert not w.consents.pending()
        assert not w.provider.requests
        assert w.records.record == before


async def test_one_address_that_goes_on_is_locked_and_no_other(autojump_clock: PatientClock) -> None:
    throttle = Throttle()
    for _ in range(LOCK_AFTER):
        throttle.failed("198.51.100.1", ACCOUNT.name)
    assert not throttle.admits("198.51.100.1", ACCOUNT.name)
    assert throttle.admits("198.51.100.2", ACCOUNT.name)
    assert throttle.admits("198.51.100.1", "other@example.com")
    await trio.sleep(throttling.LOOK_EVERY + 1)
    assert throttle.admits("198.51.100.1", ACCOUNT.name), "whoever has the right password behind it gets in too"


async def test_what_guessers_leave_behind_is_bounded(
    autojump_clock: PatientClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names, addresses and passwords that are never the same again."""
    for module, name in ((throttling, "CLIENTS"), (passwords, "MAX_WRONG"), (shares, "MAX_PROVEN")):
        monkeypatch.setattr(module, name, 50)
    monkeypatch.setattr(managed, "verify", lambda *_: False)
    throttle = Throttle()
    async with world(record=managed_record(entry(PHONE, "phone")), settings=MANAGED) as w:
        for number, address in enumerate(ADDRESSES[:300]):
            name = f"{'x' * 5000}{number}@example.com"
            throttle.failed(address, name)
            await kind(w, guess(number), client=f"{address}:1", server=IMAP)
        assert len(throttle._pairs.failures) == 50
        assert len(throttle._networks.failures) == 50
        assert max(len(name) for _, name in throttle._pairs.failures) <= throttling.NAME
        known = w.broker._vault.passwords
        assert len(known._wrong) == 50
        assert not known._checks
