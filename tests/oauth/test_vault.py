"""What `tokens` cannot see from outside: how often the store is read and a key is derived."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from emailproxy.config.model import Settings
from emailproxy.oauth import passwords
from emailproxy.oauth.flows.authorization_code import AuthorizationCode
from emailproxy.oauth.sealing import SealingKey, derive_key
from emailproxy.oauth.vault import Login, Vault, WrongPasswordError
from emailproxy.secret import Secret
from emailproxy.store.base import Record
from tests.clocks import PatientClock

from .support import ACCOUNT, FEW, PASSWORD, WRONG, MemoryRecords, now, sealed_record


@asynccontextmanager
async def vault(record: Record) -> AsyncIterator[tuple[Vault, MemoryRecords]]:
    records = MemoryRecords()
    records.put(record)
    async with trio.open_nursery() as nursery:
        yield Vault(records, nursery, Settings, FEW, now), records


def login(v: Vault, password: Secret) -> Login:
    return Login(ACCOUNT, AuthorizationCode(), password, v.passwords.digest(ACCOUNT.name, password), "192.0.2.1")


async def test_wrong_and_right_passwords_cost_one_derivation_each(
    patient_clock: PatientClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived: list[int] = []

    def counting(password: Secret, salt: bytes, iterations: int) -> SealingKey:
        derived.append(iterations)
        return derive_key(password, salt, iterations)

    monkeypatch.setattr(passwords, "derive_key", counting)
    async with vault(sealed_record()) as (v, records):
        for _ in range(5):
            assert await v.open(login(v, PASSWORD)) is not None
            with pytest.raises(WrongPasswordError):
                await v.open(login(v, WRONG))
        assert derived == [FEW.current, FEW.current, FEW.legacy]
        assert records.journal == ["load", "load"]


async def test_another_version_with_the_same_salt_costs_no_derivation(
    patient_clock: PatientClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vault(sealed_record()) as (v, records):
        await v.open(login(v, PASSWORD))
        monkeypatch.delattr(passwords, "derive_key")
        records.put(sealed_record(access="theirs"))
        opened = await v.open(login(v, PASSWORD), fresh=True)
        assert opened is not None
        assert opened.access is not None
        assert opened.access.value == Secret("theirs")


async def test_a_new_password_of_another_process_is_accepted_at_once(patient_clock: PatientClock) -> None:
    async with vault(sealed_record()) as (v, records):
        await v.open(login(v, PASSWORD))
        records.put(sealed_record(password=WRONG, salt=b"t" * 16))
        assert await v.open(login(v, WRONG)) is not None
        with pytest.raises(WrongPasswordError):
            await v.open(login(v, PASSWORD))
