from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import trio

from emailproxy.failures import Failure, FailureKind
from emailproxy.oauth import watching as module
from emailproxy.oauth.consent import Consents, Outcome, OutcomeKind
from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.question import Question
from emailproxy.oauth.watching import Event, News, Watcher
from emailproxy.secret import Secret
from tests.clocks import PatientClock

from .support import ACCOUNT, DOWN, FEW, PASSWORD, MemoryRecords, Provider, grant, sealed_record

DAY = 86400.0
NAME = ACCOUNT.name


def watched() -> tuple[Watcher, list[News]]:
    told: list[News] = []
    return Watcher(told.append), told


def answer(refresh: str | None = "rt", ends: int | None = None) -> TokenResponse:
    return TokenResponse(Secret("at"), Secret(refresh) if refresh else None, 3600, ends)


def failure(kind: FailureKind = FailureKind.TEMPORARY) -> Failure:
    return Failure(kind, "no", "the token endpoint is down")


class TestConsent:
    async def test_needed_and_given(self, autojump_clock: PatientClock) -> None:
        watcher, told = watched()
        consents = Consents(watcher.asked, watcher.settled)
        question = Question("https://provider.test/?state=x", "x", user_code="ABCD", lifetime=600)
        pending = consents.begin(ACCOUNT, question, client="192.0.2.1", reason="refused")
        [news] = told
        assert news == News(Event.NEEDS_CONSENT, NAME, "refused", question.url, "ABCD", seconds=600, client="192.0.2.1")
        assert "provider.test" not in repr(news)
        assert "ABCD" not in repr(news)
        consents.end(pending, Outcome(OutcomeKind.AUTHORISED, NAME))
        assert told[1:] == [News(Event.CONSENT_GIVEN, NAME)]

    async def test_a_strangers_password_is_no_news(self) -> None:
        """He could have the owner sign in for him."""
        watcher, told = watched()
        Consents(watcher.asked, watcher.settled).begin(ACCOUNT, Question("https://p.test", "x"), replaces=True)
        assert told == []

    async def test_an_authorisation_that_failed_is_none_either(self) -> None:
        watcher, told = watched()
        consents = Consents(settled=watcher.settled)
        pending = consents.begin(ACCOUNT, Question("https://p.test", "x"))
        consents.end(pending, Outcome(OutcomeKind.DENIED, NAME))
        assert told == []

    async def test_nobody_is_pestered(self, autojump_clock: PatientClock) -> None:
        """A mail client asks every minute for ten days; its owner is on holiday."""
        watcher, told = watched()
        times: list[float] = []
        consents = Consents(watcher.asked)
        for _ in range(10 * 24 * 60):
            before = len(told)
            consents.end(consents.begin(ACCOUNT, Question("https://p.test", "x")), Outcome(OutcomeKind.DENIED))
            if len(told) > before:
                times.append(trio.current_time())
            await trio.sleep(60)
        pauses = [round(b - a) for a, b in itertools.pairwise(times)]
        assert pauses[:4] == [900, 1800, 3600, 7200]
        assert max(pauses) == DAY
        assert len(times) < 20
        watcher.granted(NAME, answer())
        consents.begin(ACCOUNT, Question("https://p.test", "x"))
        assert len(told) == len(times) + 1, "after a consent, the next need is told at once"


class TestEnd:
    async def test_soon(self, autojump_clock: PatientClock) -> None:
        watcher, told = watched()
        watcher.granted(NAME, answer(ends=int(7 * DAY)))
        for _ in range(7 * 24 - 1):
            await trio.sleep(3600)
            watcher.granted(NAME, answer(refresh=None))
        assert {news.event for news in told} == {Event.CONSENT_ENDS}
        assert [round((news.seconds or 0) / DAY) for news in told] == [3, 2, 1]

    async def test_a_new_refresh_token_without_a_known_end_has_none(self, autojump_clock: PatientClock) -> None:
        watcher, told = watched()
        watcher.granted(NAME, answer(ends=int(4 * DAY)))
        watcher.granted(NAME, answer())
        await trio.sleep(3 * DAY)
        watcher.granted(NAME, answer(refresh=None))
        assert told == []

    async def test_most_providers_tell_nothing(self) -> None:
        watcher, told = watched()
        watcher.granted(NAME, answer())
        assert told == []


class TestFailing:
    async def test_in_a_row(self, autojump_clock: PatientClock) -> None:
        watcher, told = watched()
        for _ in range(4):
            watcher.failed(NAME, failure())
        watcher.granted(NAME, answer())
        for _ in range(20):
            watcher.failed(NAME, failure(FailureKind.MISCONFIGURED))
        assert told == [News(Event.FAILING, NAME, "5 times in a row: the token endpoint is down")]
        await trio.sleep(DAY)
        watcher.failed(NAME, failure())
        assert len(told) == 2

    async def test_wrong_passwords_are_not_counted(self) -> None:
        watcher, told = watched()
        for _ in range(20):
            watcher.failed(NAME, failure(FailureKind.WRONG_CREDENTIALS))
        assert told == []

    async def test_through_the_broker(self, patient_clock: PatientClock) -> None:
        from emailproxy.config.model import Settings
        from emailproxy.failures import LoginFailed
        from emailproxy.oauth.tokens import open_broker

        watcher, told = watched()
        records = MemoryRecords()
        records.put(sealed_record())
        provider = Provider(*[DOWN] * 10, grant("access", "refresh"), *[DOWN] * 8)
        async with open_broker(
            records=records,
            consents=Consents(),
            settings=Settings,
            transport=provider,
            iterations=FEW,
            now=lambda: 1_700_000_000 + trio.current_time(),
            watcher=watcher,
        ) as broker:
            for _ in range(5):
                with pytest.raises(LoginFailed):
                    await broker.token(ACCOUNT, PASSWORD)
            assert [news.event for news in told] == [Event.FAILING]
            assert "HTTP 503" in told[0].reason
            await broker.token(ACCOUNT, PASSWORD)
            await trio.sleep(4000)
            for _ in range(4):
                with pytest.raises(LoginFailed):
                    await broker.token(ACCOUNT, PASSWORD)
        assert len(told) == 1, "a success ends the row"


async def test_strangers_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 10)
    watcher, _ = watched()
    for number in range(100):
        watcher.failed(f"{number}@caught.test", failure())
    assert len(watcher._known) == 10


async def test_without_a_listener_nothing_is_remembered() -> None:
    watcher = Watcher()
    watcher.failed(NAME, failure())
    watcher.granted(NAME, answer(ends=60))
    watcher.asked(Consents().begin(replace(ACCOUNT), Question("https://p.test", "x")))
    assert watcher._known == {}
