"""Managed accounts, seen from outside: who gets in, what is sealed by what, and what a login costs."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
import trio

from emailproxy.config.model import RefreshTokens, Settings
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth import managed as module
from emailproxy.oauth.app_passwords import parse_uses
from emailproxy.oauth.hashing import verify
from emailproxy.secret import Secret
from emailproxy.store.base import Record
from tests.clocks import PatientClock

from .managing_support import (
    IMAP,
    KEY,
    MANAGED,
    OLD,
    OTHER_KEY,
    PHONE,
    PRINTER,
    ROTATED,
    SMTP,
    entry,
    managed_record,
    opened,
)
from .support import ACCOUNT, EPOCH, WRONG, failure, grant, logins, sealed_record, token, unattended, world

APPLICATION = unattended("client_credentials")


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The hashes that were checked."""
    checked: list[str | None] = []

    def counting(kept: str | None, password: Secret) -> bool:
        checked.append(kept)
        return kept is not None and verify(kept, password)

    monkeypatch.setattr(module, "verify", counting)
    return checked


async def test_each_app_password_lets_in_and_no_other(autojump_clock: PatientClock, hashes: list[str | None]) -> None:
    async with world(record=managed_record(entry(PHONE, "phone"), entry(PRINTER, "printer")), settings=MANAGED) as w:
        assert await token(w, PHONE, server=IMAP) == "old-access"
        assert await token(w, PRINTER, server=SMTP) == "old-access"
        refused = (await failure(w, WRONG, server=IMAP)).failure
        assert refused.kind is FailureKind.WRONG_CREDENTIALS
        assert not w.consents.pending(), "a wrong app password asks nobody for consent"
        assert not w.provider.requests


async def test_a_login_costs_one_hash_in_a_process_and_a_wrong_one_too(
    autojump_clock: PatientClock, hashes: list[str | None]
) -> None:
    many = [entry(Secret(f"{letter}bcdefghijkmnpqr"), letter) for letter in "abcdefghijk"]
    async with world(record=managed_record(*many), settings=MANAGED) as w:
        for _ in range(3):
            await token(w, Secret("cbcdefghijkmnpqr"), server=IMAP)
            await failure(w, WRONG, server=IMAP)
            await failure(w, Secret("cbcdefghijkmnpqq"), server=IMAP)
        assert hashes == [many[2].hash, None, many[2].hash]
        assert w.journal == ["load"] * 3, "one for each that was not known yet"


async def test_the_fast_path_knows_the_limits_too(autojump_clock: PatientClock, hashes: list[str | None]) -> None:
    limited = entry(PHONE, "phone", protocols=("SMTP",), networks=("192.0.2.0/24",), expires=EPOCH + 100)
    async with world(record=managed_record(limited), settings=MANAGED) as w:
        here: dict[str, Any] = {"client": "192.0.2.9:4711", "server": SMTP}
        assert w.broker.at_hand(ACCOUNT, PHONE, **here) is None
        assert await token(w, PHONE, **here) == "old-access"
        assert w.broker.at_hand(ACCOUNT, PHONE, **here) is not None
        assert w.broker.at_hand(ACCOUNT, WRONG, **here) is None
        for changes, words in (
            ({"server": IMAP}, "good for SMTP only"),
            ({"client": "[2001:db8::1]:4711"}, "good in 192.0.2.0/24 only"),
            ({"client": "198.51.100.1:4711"}, "good in 192.0.2.0/24 only"),
        ):
            elsewhere = here | changes
            assert w.broker.at_hand(ACCOUNT, PHONE, **elsewhere) is None
            refused = (await failure(w, PHONE, **elsewhere)).failure
            assert refused.kind is FailureKind.WRONG_CREDENTIALS
            assert words in refused.detail
            assert refused.text == (await failure(w, WRONG, **here)).failure.text, "the client is not told why"
        await trio.sleep(101)
        assert w.broker.at_hand(ACCOUNT, PHONE, **here) is None
        assert "expired on" in (await failure(w, PHONE, **here)).failure.detail


async def test_two_devices_that_come_together_are_one_refresh(autojump_clock: PatientClock) -> None:
    record = managed_record(entry(PHONE, "phone"), entry(PRINTER, "printer"), expires_in=-1)
    async with world(grant("renewed", "next-refresh"), record=record, settings=MANAGED) as w:
        got: list[str] = []

        async def one(password: Secret) -> None:
            got.append(await token(w, password, server=IMAP))

        async with trio.open_nursery() as nursery:
            for password in (PHONE, PRINTER) * 3:
                nursery.start_soon(one, password)
        assert got == ["renewed"] * 6
        assert len(w.provider.requests) == 1
        assert w.records.record.sealed_by == KEY.identifier
        assert w.records.record.token_salt is None
        assert opened(w.records.record, "refresh_token") == "next-refresh"


async def test_a_new_account_asks_a_person_for_consent_once_it_knows_the_password(autojump_clock: PatientClock) -> None:
    record = managed_record(access=None, refresh=None)
    async with world(grant(refresh="first-refresh"), record=record, settings=MANAGED) as w:
        assert (await failure(w, WRONG, server=IMAP)).failure.kind is FailureKind.WRONG_CREDENTIALS
        async with trio.open_nursery() as nursery:
            got = await logins(w, nursery, 2, PHONE)
            await w.person()
        assert got == ["new-access"] * 2
        assert opened(w.records.record, "refresh_token") == "first-refresh"
        assert w.records.record.app_passwords == record.app_passwords, "the list is not even sealed anew"


async def test_an_application_needs_no_first_login(autojump_clock: PatientClock) -> None:
    record = managed_record(access=None, refresh=None)
    async with world(grant(), record=record, settings=MANAGED) as w:
        assert (await failure(w, WRONG, APPLICATION, server=IMAP)).failure.kind is FailureKind.WRONG_CREDENTIALS
        assert await token(w, PHONE, APPLICATION, server=IMAP) == "new-access"


async def test_an_app_password_is_never_the_client_secret_nor_sent_to_the_provider(
    autojump_clock: PatientClock,
) -> None:
    record = managed_record(access=None, refresh=None)
    settings = replace(MANAGED, use_login_password_as_client_credentials_secret=True)
    async with world(record=record, settings=settings) as w:
        account = replace(APPLICATION, client_secret=None)
        assert (await failure(w, PHONE, account, server=IMAP)).failure.kind is FailureKind.MISCONFIGURED
        assert not w.provider.requests
    async with world(record=record, settings=MANAGED) as w:
        refused = (await failure(w, PHONE, unattended("password"), server=IMAP)).failure
        assert refused.kind is FailureKind.MISCONFIGURED
        assert "migrate --back" in refused.detail


async def test_a_client_secret_is_sealed_with_the_service_key(autojump_clock: PatientClock) -> None:
    settings = replace(MANAGED, encrypt_client_secret_on_first_use=True)
    async with world(grant(), record=managed_record(expires_in=-1), settings=settings) as w:
        await token(w, PHONE, server=IMAP)
        assert opened(w.records.record, "client_secret_encrypted") == "the-client-secret"


async def test_a_revoked_password_is_refused_at_the_next_look(
    patient_clock: PatientClock, hashes: list[str | None]
) -> None:
    async with world(record=managed_record(entry(PHONE, "phone"), entry(PRINTER, "printer")), settings=MANAGED) as w:
        await token(w, PHONE, server=IMAP)
        w.records.put(managed_record(entry(PRINTER, "printer")))
        w.broker.distrust()
        assert (await failure(w, PHONE, server=IMAP)).failure.kind is FailureKind.WRONG_CREDENTIALS
        assert await token(w, PRINTER, server=IMAP) == "old-access"


async def test_a_revocation_survives_a_refresh_that_is_under_way(autojump_clock: PatientClock) -> None:
    first = managed_record(entry(PHONE, "phone"), entry(PRINTER, "printer"), expires_in=-1)
    async with world(grant("renewed", "next-refresh"), record=first, settings=MANAGED) as w:
        revoked = replace(first, app_passwords=managed_record(entry(PRINTER, "printer")).app_passwords)

        async def somebody_revokes() -> None:
            w.records.before_save = None
            w.records.put(revoked)

        w.records.before_save = somebody_revokes
        assert await token(w, PHONE, server=IMAP) == "renewed"
        assert "conflict" in w.journal
        assert opened(w.records.record, "refresh_token") == "next-refresh"
        kept = opened(w.records.record, "app_passwords")
        assert kept is not None
        assert '"printer"' in kept
        assert '"phone"' not in kept, "the proxy must not bring it back"


async def test_a_migration_survives_a_refresh_that_is_under_way(autojump_clock: PatientClock) -> None:
    async with world(grant("renewed", "next-refresh"), record=sealed_record(password=OLD), settings=MANAGED) as w:

        async def somebody_migrates() -> None:
            w.records.before_save = None
            w.records.put(managed_record(entry(OLD, "mail password"), expires_in=-1))

        w.records.before_save = somebody_migrates
        assert await token(w, OLD, server=IMAP) == "renewed"
        assert w.records.record.sealed_by == KEY.identifier
        assert opened(w.records.record, "refresh_token") == "next-refresh", "the only one that is valid"
        assert opened(w.records.record, "app_passwords") is not None


async def test_whoever_did_not_show_an_app_password_writes_nothing_into_a_managed_record(
    autojump_clock: PatientClock,
) -> None:
    async with world(grant(refresh="of a stranger"), settings=MANAGED) as w, trio.open_nursery() as nursery:

        async def stranger() -> None:
            assert (await failure(w, WRONG, server=IMAP)).failure.kind is FailureKind.TEMPORARY

        nursery.start_soon(stranger)
        await w.somebody_is_asked()
        record = managed_record(access=None, refresh=None)
        w.records.put(record)
        await w.person()
        await trio.sleep(1)
        assert w.records.record == record


async def test_the_previous_service_key_opens_and_the_current_one_seals(autojump_clock: PatientClock) -> None:
    async with world(record=managed_record(), settings=ROTATED) as w:
        assert await token(w, PHONE, server=IMAP) == "old-access"
        await trio.sleep(1)
        record = w.records.record
        assert record.sealed_by == OTHER_KEY.identifier
        for name in ("access_token", "refresh_token", "app_passwords"):
            assert opened(record, name, OTHER_KEY) is not None
            assert opened(record, name, KEY) is None
        assert await token(w, PHONE, server=IMAP) == "old-access"


@pytest.mark.parametrize("settings", [Settings(), Settings(seal_key=OTHER_KEY)])
async def test_without_its_service_key_a_record_is_for_the_administrator(
    autojump_clock: PatientClock, settings: Settings
) -> None:
    record = managed_record()
    async with world(record=record, settings=settings) as w:
        refused = (await failure(w, PHONE, server=IMAP)).failure
        assert refused.kind is FailureKind.MISCONFIGURED
        assert KEY.identifier in refused.detail
        assert w.records.record == record


async def test_a_list_that_was_moved_from_another_account_opens_nothing(autojump_clock: PatientClock) -> None:
    """Who can write the store, and has a mailbox of his own, cannot use his app password for another one."""
    his = managed_record(account="mallory@example.com")
    mixed = replace(managed_record(), app_passwords=his.app_passwords)
    for record in (mixed, his):
        async with world(record=record, settings=MANAGED) as w:
            assert (await failure(w, PHONE, server=IMAP)).failure.kind is FailureKind.MISCONFIGURED


async def test_no_list_at_all_lets_nobody_in(autojump_clock: PatientClock, hashes: list[str | None]) -> None:
    async with world(record=replace(managed_record(), app_passwords=None), settings=MANAGED) as w:
        for password in (PHONE, WRONG, OLD):
            assert (await failure(w, password, server=IMAP)).failure.kind is FailureKind.WRONG_CREDENTIALS
        assert hashes == [None] * 3, "the same work"


async def test_the_last_use_rides_along_with_new_tokens(autojump_clock: PatientClock) -> None:
    async with world(grant("renewed"), record=managed_record(expires_in=700), settings=MANAGED) as w:
        await token(w, PHONE, server=IMAP)
        assert "save" not in w.journal, "a login writes nothing"
        await trio.sleep(300)
        assert await token(w, PRINTER, server=SMTP) == "renewed"
        assert parse_uses(w.records.record.app_passwords_used) == {"abc": EPOCH, "xyz": EPOCH + 300}


async def test_a_login_costs_no_billed_write(autojump_clock: PatientClock) -> None:
    record = managed_record(expires_in=-1, refresh_token_issued=EPOCH)
    account = replace(ACCOUNT, refresh_tokens=RefreshTokens.REUSABLE)
    async with world(grant("renewed"), grant("again"), record=record, settings=MANAGED) as w:
        w.records.bills_writes = True
        for _ in range(3):
            await token(w, PHONE, account, server=IMAP)
        await trio.sleep(3600)
        assert await token(w, PRINTER, account, server=SMTP) == "again"
        assert "save" not in w.journal


async def test_names_that_are_no_account_cost_a_hash_where_accounts_are_managed(
    autojump_clock: PatientClock, hashes: list[str | None]
) -> None:
    async with world(record=managed_record(), settings=MANAGED) as w:
        wrong = (await failure(w, WRONG, server=IMAP)).failure
        known = hashes.copy()
        for _ in range(2):
            with pytest.raises(LoginFailed) as caught:
                await w.broker.refuse_unknown("nobody@example.com", WRONG, client="192.0.2.1:1")
            assert (caught.value.failure.kind, caught.value.failure.text) == (wrong.kind, wrong.text)
        assert hashes == known * 2


async def test_a_flood_of_wrong_passwords_has_two_hashes_at_a_time_and_a_bounded_queue(
    autojump_clock: PatientClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """128 MiB at the most, whatever comes; and somebody from elsewhere is served in between."""
    at_once, most, lock = 0, 0, threading.Lock()

    def slow(kept: str | None, password: Secret) -> bool:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.01)  # brief: a hash takes its time
        with lock:
            at_once -= 1
        return kept is not None and verify(kept, password)

    monkeypatch.setattr(module, "verify", slow)
    kinds: list[FailureKind] = []
    async with world(record=managed_record(), settings=MANAGED) as w, trio.open_nursery() as nursery:

        async def guess(number: int) -> None:
            kinds.append((await failure(w, Secret(f"guess {number}"), client="192.0.2.1:1")).failure.kind)

        for number in range(100):
            nursery.start_soon(guess, number)
        await trio.sleep(0)
        assert await token(w, PHONE, client="198.51.100.1:1") == "old-access"
    assert most == 2
    assert kinds.count(FailureKind.TEMPORARY) >= 80, "not looked at, and so not called wrong"
    assert set(kinds) == {FailureKind.TEMPORARY, FailureKind.WRONG_CREDENTIALS}


async def test_compatible_accounts_stay_as_they_are(autojump_clock: PatientClock) -> None:
    async with world(grant("renewed"), record=sealed_record(), settings=MANAGED) as w:
        assert await token(w) == "renewed"
        record = w.records.record
        assert (record.sealed_by, record.app_passwords, record.app_passwords_used) == (None, None, None)
        assert record.token_salt is not None
        assert set(record.to_options()) <= set(Record.__dataclass_fields__)


async def test_a_command_that_changes_the_record_keeps_proxies_from_refreshing(patient_clock: PatientClock) -> None:
    """Also where refresh tokens only rotate, for which proxies take no turns among themselves."""
    leased = managed_record(entry(PHONE, "phone"), expires_in=-1, lease_owner="a command", lease_until=EPOCH + 30)
    account = replace(ACCOUNT, refresh_tokens=RefreshTokens.ROTATING)
    async with world(grant("renewed", "rt-2"), record=leased, settings=MANAGED) as w:
        with trio.move_on_after(20):
            await token(w, PHONE, account, server=IMAP)
        assert not w.provider.requests, "it is the command's turn"
        assert await token(w, PHONE, account, server=IMAP) == "renewed", "which ends"
        assert w.records.record.lease_owner is None
