"""A name that is no account and a wrong password look the same: words, work, memory, limits."""

from __future__ import annotations

import pytest

from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth import passwords
from emailproxy.oauth.sealing import SealingKey, derive_key
from emailproxy.secret import Secret
from tests.clocks import PatientClock

from .support import KEEP, WRONG, World, failure, sealed_record, world


async def refused(w: World, user: str, password: Secret = WRONG) -> LoginFailed:
    with pytest.raises(LoginFailed) as caught:
        await w.broker.refuse_unknown(user, password, client="192.0.2.1:4711")
    return caught.value


async def test_the_same_words(autojump_clock: PatientClock) -> None:
    async with world(record=sealed_record(), settings=KEEP) as w:
        wrong = (await failure(w, WRONG, client="192.0.2.1:4711")).failure
        unknown = (await refused(w, "nobody@example.com")).failure
        assert (unknown.kind, unknown.text) == (wrong.kind, wrong.text)
        assert unknown.kind is FailureKind.WRONG_CREDENTIALS
        assert "no section" in unknown.detail


async def test_the_same_work_the_first_time_and_again(
    patient_clock: PatientClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived: list[int] = []

    def counting(password: Secret, salt: bytes, iterations: int) -> SealingKey:
        derived.append(iterations)
        return derive_key(password, salt, iterations)

    monkeypatch.setattr(passwords, "derive_key", counting)
    async with world(record=sealed_record(), settings=KEEP) as w:
        for _ in range(2):
            await failure(w, WRONG)
        known = derived.copy()
        derived.clear()
        for _ in range(2):
            await refused(w, "nobody@example.com")
        assert derived == known


async def test_no_read_for_a_name_that_is_no_account(autojump_clock: PatientClock) -> None:
    async with world() as w:
        await refused(w, "nobody@example.com")
        assert w.journal == []
        assert not w.records.stored


async def test_the_name_is_cut_in_the_log(autojump_clock: PatientClock) -> None:
    async with world() as w:
        told = (await refused(w, "x\r\n" * 3000)).failure.detail
        assert len(told) < 1000
        assert told.isprintable()
