"""Who may come in?"""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.console.access import (
    CODE_SECONDS,
    COOKIE_SECONDS,
    MAX_ADDRESSES,
    MAX_CODES,
    WRONG,
    WRONG_SECONDS,
    Access,
    TooManyTriesError,
)
from emailproxy.secret import Secret
from tests.clocks import PatientClock

TOKEN = "a-token-that-nobody-guesses"


def access(token: str = TOKEN, time: float = 1_000_000.0) -> Access:
    return Access(Secret(token), lambda: time)


async def test_the_token_and_no_other() -> None:
    judge = access()
    assert judge.admits(TOKEN, "a")
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\udcff", "é"):
        assert not judge.admits(wrong, "a")


async def test_who_guesses_is_not_listened_to(autojump_clock: PatientClock) -> None:
    judge = access()
    for _ in range(WRONG):
        assert not judge.admits("guess", "192.0.2.7")
    for token in ("guess", TOKEN):
        with pytest.raises(TooManyTriesError):
            judge.admits(token, "192.0.2.7")
    assert judge.admits(TOKEN, "192.0.2.8"), "others are"
    await trio.sleep(WRONG_SECONDS)
    assert judge.admits(TOKEN, "192.0.2.7")


async def test_mistakes_of_a_day_do_not_add_up(autojump_clock: PatientClock) -> None:
    judge = access()
    for _ in range(10 * WRONG):
        assert not judge.admits("guess", "a")
        await trio.sleep(WRONG_SECONDS / (WRONG - 1))


async def test_what_is_remembered_is_bounded() -> None:
    judge = access()
    for number in range(MAX_ADDRESSES + 10):
        judge.admits("guess", str(number))
    assert len(judge._wrong) == MAX_ADDRESSES


async def test_a_code_works_once() -> None:
    judge = access()
    code = judge.issue()
    cookie = judge.redeem(code)
    assert cookie is not None
    assert judge.knows(cookie)
    assert judge.redeem(code) is None
    assert judge.redeem("") is None


async def test_a_code_works_for_a_minute(autojump_clock: PatientClock) -> None:
    judge = access()
    code = judge.issue()
    await trio.sleep(CODE_SECONDS)
    assert judge.redeem(code) is None


async def test_the_oldest_codes_go() -> None:
    judge = access()
    codes = [judge.issue() for _ in range(MAX_CODES + 1)]
    assert judge.redeem(codes[0]) is None
    assert judge.redeem(codes[1]) is not None


async def test_a_cookie_outlives_a_restart_and_not_its_day() -> None:
    cookie = access().redeem((judge := access()).issue()) or judge.redeem(judge.issue())
    assert cookie is not None
    assert access(time=1_000_000.0 + COOKIE_SECONDS - 1).knows(cookie)
    assert not access(time=1_000_000.0 + COOKIE_SECONDS).knows(cookie)
    assert not access("another-token-altogether").knows(cookie)


async def test_two_cookies_differ() -> None:
    judge = access()
    assert judge.redeem(judge.issue()) != judge.redeem(judge.issue())


@given(st.text(max_size=200))
def test_no_cookie(cookie: str) -> None:
    assert not access().knows(cookie)


@given(st.integers(0, 200), st.characters())
def test_a_changed_cookie(place: int, other: str) -> None:
    judge = access()
    judge._codes[_digest_of("code")] = float("inf")

    async def redeem() -> str | None:
        return judge.redeem("code")

    cookie = trio.run(redeem)
    assert cookie is not None
    changed = cookie[: place % len(cookie)] + other + cookie[place % len(cookie) + 1 :]
    assert judge.knows(changed) is (changed == cookie)


def _digest_of(code: str) -> bytes:
    from emailproxy.console.access import _digest

    return _digest(code)
