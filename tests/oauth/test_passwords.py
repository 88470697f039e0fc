from __future__ import annotations

import pytest
import trio
import trio.testing

from emailproxy.oauth import passwords as module
from emailproxy.oauth.passwords import Passwords
from emailproxy.oauth.sealing import SealingKey, derive_key
from emailproxy.secret import Secret
from tests.clocks import PatientClock

SALT = b"s" * 16
RIGHT, WRONG = Secret("right"), Secret("wrong")


class Derivations:
    """Counts derivations and can hold them up; wraps the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.at_once = 0
        self.most_at_once = 0
        monkeypatch.setattr(module, "derive_key", self)

    def __call__(self, password: Secret, salt: bytes, iterations: int) -> SealingKey:
        self.count += 1
        return derive_key(password, salt, iterations)


@pytest.fixture
def derivations(monkeypatch: pytest.MonkeyPatch) -> Derivations:
    return Derivations(monkeypatch)


SEALED = derive_key(RIGHT, SALT, 3).seal(Secret("token"))


async def unlock(known: Passwords, password: Secret, candidates: tuple[int, ...] = (3,)) -> SealingKey | None:
    return await known.unlock("ada", password, salt=SALT, candidates=candidates, sealed=SEALED)


async def test_a_right_password_is_derived_once(derivations: Derivations) -> None:
    known = Passwords()
    first = await unlock(known, RIGHT)
    assert first is not None
    assert await unlock(known, RIGHT) is first
    assert derivations.count == 1


async def test_ten_at_once_are_one_derivation(derivations: Derivations) -> None:
    known, keys = Passwords(), list[SealingKey | None]()

    async def one() -> None:
        keys.append(await unlock(known, RIGHT))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(one)
    assert len(keys) == 10
    assert all(key is not None for key in keys)
    assert derivations.count == 1


async def test_ten_wrong_ones_at_once_are_one_derivation(derivations: Derivations) -> None:
    known, keys = Passwords(), list[SealingKey | None]()

    async def one() -> None:
        keys.append(await unlock(known, WRONG))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(one)
    assert keys == [None] * 10
    assert derivations.count == 1


async def test_a_wrong_password_is_remembered_for_five_minutes(
    derivations: Derivations, patient_clock: PatientClock
) -> None:
    known = Passwords()
    assert await unlock(known, WRONG) is None
    assert await unlock(known, WRONG) is None
    assert derivations.count == 1
    patient_clock.jump(301)
    assert await unlock(known, WRONG) is None
    assert derivations.count == 2


async def test_a_wrong_password_does_not_make_another_record_wrong() -> None:
    known = Passwords()
    assert await unlock(known, WRONG) is None
    other = b"t" * 16
    sealed = derive_key(WRONG, other, 3).seal(Secret("token"))
    assert await known.unlock("ada", WRONG, salt=other, candidates=(3,), sealed=sealed) is not None


async def test_other_counts_are_tried(derivations: Derivations) -> None:
    key = await unlock(Passwords(), RIGHT, (1, 2, 3))
    assert key is not None
    assert key.iterations == 3
    assert derivations.count == 3


async def test_a_cancelled_check_is_not_lost(derivations: Derivations) -> None:
    known = Passwords()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(unlock, known, RIGHT)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert await unlock(known, RIGHT) is not None
    assert derivations.count == 1


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WRONG", 3)
    monkeypatch.setattr(module, "MAX_KEYS", 2)
    known = Passwords()
    for number in range(6):
        await unlock(known, Secret(f"wrong {number}"))
        await known.new_key("ada", Secret(f"new {number}"), salt=SALT, iterations=1)
    assert len(known._wrong) == 3
    assert len(known._keys) == 2


def test_digests_differ_by_account_password_and_process() -> None:
    known = Passwords()
    assert known.digest("a", Secret("bc")) != known.digest("ab", Secret("c"))
    assert known.digest("a", RIGHT) == known.digest("a", Secret("right"))
    assert known.digest("a", RIGHT) != Passwords().digest("a", RIGHT)


async def test_the_providers_verdict_is_remembered(patient_clock: PatientClock) -> None:
    known = Passwords()
    digest = known.digest("ada", WRONG)
    assert not known.judged_wrong(digest)
    known.judge_wrong(digest)
    assert known.judged_wrong(digest)
    patient_clock.jump(301)
    assert not known.judged_wrong(digest)
