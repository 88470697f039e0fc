from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import trio
import trio.testing

from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth import consent as module
from emailproxy.oauth.consent import ConsentLimitError, Consents, Outcome, OutcomeKind, Pending, new_state
from emailproxy.oauth.question import LIFETIME, Question
from tests.clocks import PatientClock
from tests.patience import HANG

from .support import ACCOUNT

DONE = Outcome(OutcomeKind.AUTHORISED, ACCOUNT.name, "done")
OTHER = replace(ACCOUNT, name="bob@example.com", redirect_uri="http://localhost:8080/elsewhere")


def begin(consents: Consents, state: str = "the-state", **changes: object) -> Pending:
    account = changes.pop("account", ACCOUNT)
    return consents.begin(account, Question(f"https://provider.test/?state={state}", state), **changes)  # type: ignore[arg-type]


async def exchange(consents: Consents, pending: Pending, codes: list[str]) -> None:
    """What a flight does: wait for the code, then say how it ended."""
    codes.append(await pending.answer())
    consents.end(pending, DONE)


def url(state: str = "the-state", extra: str = "code=abc", base: str = "http://localhost:8080/done") -> str:
    return f"{base}?{extra}&state={state}"


@pytest.mark.parametrize(
    "given",
    [
        url(),
        f"  <{url()}>\r\n",
        f'"{url()}"',
        "?code=abc&state=the-state",
        "https://localhost:8080/done?state=the-state&code=abc&session_state=x#frag",
    ],
)
async def test_a_code_reaches_its_authorisation(given: str) -> None:
    consents, codes = Consents(), list[str]()
    pending = begin(consents)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange, consents, pending, codes)
        assert await consents.complete(given) == DONE
    assert codes == ["abc"]
    assert consents.pending() == ()


async def test_the_answer_waits_for_the_exchange() -> None:
    consents = Consents()
    pending = begin(consents)
    outcomes: list[Outcome] = []

    async def browser() -> None:
        outcomes.append(await consents.complete(url()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(browser)
        assert await pending.answer() == "abc"
        await trio.testing.wait_all_tasks_blocked()
        assert outcomes == []
        consents.end(pending, DONE)
    assert outcomes == [DONE]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (url("another-state"), OutcomeKind.UNKNOWN),
        (url("the-stat"), OutcomeKind.UNKNOWN),
        (url("the-state2"), OutcomeKind.UNKNOWN),
        (url("\udcff"), OutcomeKind.UNKNOWN),
        (url(""), OutcomeKind.MALFORMED),
        ("http://localhost:8080/done?code=abc", OutcomeKind.MALFORMED),
        ("http://localhost:8080/done?code=a&code=b&state=the-state", OutcomeKind.MALFORMED),
        ("http://localhost:8080/done?code=a&state=the-state&state=x", OutcomeKind.MALFORMED),
        (url(extra="nothing=1"), OutcomeKind.MALFORMED),
        ("hello", OutcomeKind.MALFORMED),
        ("", OutcomeKind.MALFORMED),
        ("http://[bad", OutcomeKind.MALFORMED),
        (url(extra="code=" + "a" * 20_000), OutcomeKind.MALFORMED),
        (url(extra="&".join(f"a{i}=1" for i in range(100))), OutcomeKind.MALFORMED),
        (url(base="http://localhost:8080/elsewhere"), OutcomeKind.UNKNOWN),
        (url(base="http://localhost:8080"), OutcomeKind.UNKNOWN),
    ],
)
async def test_what_is_no_answer_ends_nothing(given: str, kind: OutcomeKind, autojump_clock: PatientClock) -> None:
    consents = Consents()
    pending = begin(consents)
    with trio.fail_after(HANG):
        assert (await consents.complete(given)).kind is kind
    assert consents.pending() == (pending,)
    assert pending.open


async def test_states_tell_accounts_apart() -> None:
    consents, codes = Consents(), list[str]()
    ada, bob = begin(consents, "state-a"), begin(consents, "state-b", account=OTHER)
    # Ada's redirect with Bob's state: an answer of the wrong provider.
    assert (await consents.complete(url("state-b"))).kind is OutcomeKind.UNKNOWN
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange, consents, bob, codes)
        await consents.complete(url("state-b", base="http://localhost:8080/elsewhere"))
    assert consents.pending() == (ada,)


async def test_denied() -> None:
    consents = Consents()
    pending = begin(consents)
    failures: list[LoginFailed] = []

    async def flight() -> None:
        try:
            await pending.answer()
        except LoginFailed as error:
            failures.append(error)
            consents.end(pending, Outcome(OutcomeKind.DENIED, reference=error.failure.reference))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flight)
        outcome = await consents.complete(url(extra="error=access_denied&error_description=no%0D%0AFAKE"))
    assert outcome.kind is OutcomeKind.DENIED
    assert failures[0].failure.kind is FailureKind.TEMPORARY
    assert "access_denied: no  FAKE" in failures[0].failure.detail
    assert failures[0].failure.detail.isprintable()


async def test_nobody_comes(autojump_clock: PatientClock) -> None:
    consents = Consents()
    pending = begin(consents)
    with pytest.raises(LoginFailed, match="within 15 minutes"):
        await pending.answer()
    assert trio.current_time() == LIFETIME
    assert consents.pending() == ()
    assert (await consents.complete(url())).kind is OutcomeKind.UNKNOWN, "too late, though not ended yet"


async def test_a_reloaded_page_shows_the_same(autojump_clock: PatientClock) -> None:
    consents, codes = Consents(), list[str]()
    pending = begin(consents)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange, consents, pending, codes)
        # The browser asks twice while the code is exchanged.
        nursery.start_soon(consents.complete, url())
        assert await consents.complete(url()) == DONE
    assert await consents.complete(url()) == DONE
    assert codes == ["abc"]


async def test_the_announcement(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Pending] = []
    consents = Consents(told.append)
    with caplog.at_level(logging.WARNING, "emailproxy.consent"):
        pending = begin(consents, client="192.0.2.1\r\nx")
    (line,) = caplog.records
    assert line.getMessage() == (
        "account ada@example.com needs authorisation: open https://provider.test/?state=the-state"
    )
    assert (line.levelno, line.name) == (logging.WARNING, "emailproxy.consent")
    assert (line.account, line.url) == ("ada@example.com", pending.url)  # type: ignore[attr-defined]
    assert line.client == "192.0.2.1  x"  # type: ignore[attr-defined]
    assert told == [pending]


async def test_reminders_once_a_minute(autojump_clock: PatientClock) -> None:
    told: list[Pending] = []
    consents = Consents(told.append)
    pending = begin(consents)
    for _ in range(130):
        consents.remind(pending)
        await trio.sleep(1)
    assert len(told) == 3
    consents.end(pending, DONE)
    await trio.sleep(100)
    consents.remind(pending)
    assert len(told) == 3


async def test_an_account_name_cannot_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    begin(Consents(), account=ACCOUNT.named("eve\r\nroot@example.com"))
    assert all("\n" not in record.getMessage() for record in caplog.records)


async def test_bounds_refuse_and_never_evict(monkeypatch: pytest.MonkeyPatch) -> None:
    consents = Consents()
    first = begin(consents, "0")
    for number in range(1, module.MAX_PER_ACCOUNT):
        begin(consents, str(number))
    with pytest.raises(ConsentLimitError):
        begin(consents, "one too many")
    assert first in consents.pending()
    begin(consents, "x", account=OTHER)
    monkeypatch.setattr(module, "MAX_PENDING", 5)
    with pytest.raises(ConsentLimitError):
        begin(consents, "y", account=OTHER.named("carol@example.com"))


async def test_wrong_passwords_cannot_fill_all_places() -> None:
    consents = Consents()
    for number in range(module.MAX_REPLACING):
        begin(consents, str(number), replaces=True)
    with pytest.raises(ConsentLimitError):
        begin(consents, "third", replaces=True)
    begin(consents, "the owner's")


async def test_a_new_password_must_be_confirmed(caplog: pytest.LogCaptureFixture, autojump_clock: PatientClock) -> None:
    consents, codes = Consents(), list[str]()
    pending = begin(consents, replaces=True, client="192.0.2.1")
    assert "only if the password was changed" in caplog.text
    for _ in range(2):
        with trio.fail_after(HANG):
            outcome = await consents.complete(url())
        assert (outcome.kind, outcome.client) == (OutcomeKind.UNCONFIRMED, "192.0.2.1")
        assert pending.open
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange, consents, pending, codes)
        assert await consents.complete(url(), confirmed=True) == DONE


async def test_a_new_password_can_be_declined() -> None:
    consents = Consents()
    pending = begin(consents, replaces=True)
    assert consents.decline("nonsense").kind is OutcomeKind.UNKNOWN
    assert consents.decline(url("other")).kind is OutcomeKind.UNKNOWN
    assert pending.open
    assert consents.decline(url()).kind is OutcomeKind.DENIED
    with pytest.raises(LoginFailed, match="declined"):
        await pending.answer()


async def test_the_first_that_is_completed_withdraws_the_accounts_others() -> None:
    consents = Consents()
    mine, guess, bobs = begin(consents, "a"), begin(consents, "b"), begin(consents, "c", account=OTHER)
    mine.accept("code")
    consents.end(mine, DONE)
    consents.withdraw_others(mine)
    assert consents.pending() == (bobs,)
    with pytest.raises(LoginFailed, match="another authorisation"):
        await guess.answer()


def test_states_are_long_and_fresh() -> None:
    states = {new_state() for _ in range(100)}
    assert len(states) == 100
    assert min(map(len, states)) >= 32


async def test_a_repr_shows_no_state() -> None:
    assert "the-state" not in repr(begin(Consents()))
