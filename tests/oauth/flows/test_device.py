from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest
import trio

from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.consent import Consents, Outcome, OutcomeKind, Pending
from emailproxy.oauth.endpoint import ClientCredentials, TokenResponse, open_endpoint
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.flows.device import GRANT_TYPE, Device
from emailproxy.oauth.question import Question
from emailproxy.oauth.refusals import Meaning, TokenEndpointError
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.oauth.support import PASSWORD, WRONG, Answer, Provider, grant, kind, refusal, token, unattended, world

ACCOUNT = unattended("device", device_authorization_url="https://provider.test/device", client_secret=None)
CODE: dict[str, Any] = {
    "device_code": "the-device-code",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://provider.test/enter",
    "expires_in": 1800,
    "interval": 5,
}
PENDING = refusal("authorization_pending")


def code(**changes: Any) -> httpx2.Response:
    fields = {name: value for name, value in (CODE | changes).items() if value is not None}
    return httpx2.Response(200, json=fields)


@dataclass
class Polled:
    """A flow under way."""

    provider: Provider
    asked: list[Pending] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """When the token endpoint was asked, in seconds after the code was given."""
    consents: Consents = field(default_factory=Consents)


async def run(*answers: Answer, client: ClientCredentials = ClientCredentials("id"), **changes: Any) -> Polled:  # noqa: B008
    p = Polled(Provider(*answers))
    await obtain(p, client, **changes)
    return p


async def obtain(p: Polled, client: ClientCredentials = ClientCredentials("id"), **changes: Any) -> TokenResponse:  # noqa: B008
    account = replace(ACCOUNT, **changes)
    began = trio.current_time()
    handle = p.provider.handle_async_request

    async def timed(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/token":
            p.times.append(round(trio.current_time() - began, 3))
        return await handle(request)

    p.provider.handle_async_request = timed  # type: ignore[method-assign]

    def ask(question: Question) -> Pending:
        p.asked.append(p.consents.begin(account, question))
        return p.asked[-1]

    async with open_endpoint(transport=p.provider) as endpoint:
        return await Device().obtain(Grant(account, client, PASSWORD, endpoint, ask))


async def test_the_person_and_the_code(patient_clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    p = await run(code(), PENDING, PENDING, grant("access", "refresh"))
    assert p.provider.requests == [
        {"scope": "mail offline_access", "client_id": "id"},
        *[{"grant_type": GRANT_TYPE, "device_code": "the-device-code", "client_id": "id"}] * 3,
    ]
    assert p.times == [5, 10, 15]
    assert "account ada@example.com needs authorisation: open https://provider.test/enter and enter the code " in (
        caplog.text
    )
    assert caplog.records[0].user_code == "WDJB-MJHT"  # type: ignore[attr-defined]
    assert "the-device-code" not in caplog.text


async def test_a_confidential_client_says_so_each_time(patient_clock: PatientClock) -> None:
    p = await run(code(), grant(), client=ClientCredentials("id", Secret("cs")))
    assert [request["client_secret"] for request in p.provider.requests] == ["cs", "cs"]


async def test_the_complete_address_is_opened_and_the_code_shown(patient_clock: PatientClock) -> None:
    p = await run(code(verification_uri_complete="https://provider.test/enter?c=WDJB-MJHT"), grant())
    assert p.asked[0].url == "https://provider.test/enter?c=WDJB-MJHT"
    instruction = p.asked[0].question.instruction
    assert "compare the code WDJB-MJHT" in instruction
    assert instruction.endswith("at https://provider.test/enter")


async def test_slow_down_adds_five_seconds_for_good(patient_clock: PatientClock) -> None:
    p = await run(code(), refusal("slow_down"), refusal("slow_down", status=429), PENDING, grant())
    assert p.times == [5, 15, 30, 45]


async def test_the_interval_is_the_providers(patient_clock: PatientClock) -> None:
    assert (await run(code(interval=11), PENDING, grant())).times == [11, 22]
    assert (await run(code(interval=None), PENDING, grant())).times == [5, 10]
    assert (await run(code(interval="nonsense"), grant())).times == [5]
    assert (await run(code(interval=-1), grant())).times == [5]
    assert (await run(code(interval=10**9, expires_in=3000), grant())).times == [300]


async def test_a_provider_that_is_away_is_asked_more_and_more_seldom(patient_clock: PatientClock) -> None:
    """Each question is repeated once by the endpoint, a second later."""
    down = httpx2.ConnectError("no route")
    p = await run(code(), *[down] * 12, PENDING, grant())
    assert p.times[::2][:6] == [5, 16, 37, 78, 139, 200]
    assert p.times[-1] - p.times[-2] == 5


@pytest.mark.parametrize("error", ["access_denied", "authorization_declined"])
async def test_a_person_who_says_no(patient_clock: PatientClock, error: str) -> None:
    with pytest.raises(LoginFailed) as caught:
        await run(code(), PENDING, refusal(error, error_description="not\r\nme"))
    assert caught.value.failure.kind is FailureKind.TEMPORARY
    assert f"denied: {error}: not  me" in caught.value.failure.detail


async def test_a_code_that_expired_at_the_provider(patient_clock: PatientClock) -> None:
    with pytest.raises(LoginFailed, match="nobody authorised the account within 30 minutes"):
        await run(code(), PENDING, refusal("expired_token"))


async def test_a_code_that_expired_here(patient_clock: PatientClock) -> None:
    p = Polled(Provider(code(expires_in=12), PENDING, PENDING))
    with pytest.raises(LoginFailed, match=r"within 0\.2 minutes"):
        await obtain(p)
    assert p.times == [5, 10]
    assert trio.current_time() == pytest.approx(12)


async def test_another_authorisation_of_the_account_ends_it_at_once(patient_clock: PatientClock) -> None:
    p = Polled(Provider(code(interval=100), PENDING))

    async def fail() -> None:
        with pytest.raises(LoginFailed, match="another authorisation"):
            await obtain(p)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        await trio.sleep(120)
        done = p.consents.begin(ACCOUNT, Question("https://provider.test/", "s"))
        p.consents.withdraw_others(done)
    assert trio.current_time() == pytest.approx(120)


async def test_nobody_outside_can_complete_it(patient_clock: PatientClock) -> None:
    p = Polled(Provider(code(), grant()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(obtain, p)
        await trio.sleep(1)
        for guess in ("WDJB-MJHT", "the-device-code", ""):
            outcome = await p.consents.complete(f"?code=stolen&state={guess}")
            assert outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.MALFORMED)
        assert p.asked[0].open
        assert p.asked[0].question.state not in repr(p.asked[0].question)


@pytest.mark.parametrize(
    "changes",
    [
        {"user_code": None},
        {"user_code": " "},
        {"verification_uri": None},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "http://provider.test/enter"},
        {"verification_uri": "https://provider.test/\r\nforged"},
        {"verification_uri": 7},
    ],
    ids=str,
)
async def test_an_answer_that_nobody_could_use(patient_clock: PatientClock, changes: dict[str, Any]) -> None:
    with pytest.raises(TokenEndpointError, match="user_code or verification_uri"):
        await run(code(**changes))


async def test_google_writes_verification_url(patient_clock: PatientClock) -> None:
    p = await run(code(verification_uri=None, verification_url="https://www.google.com/device"), grant())
    assert p.asked[0].url == "https://www.google.com/device"


async def test_a_code_cannot_forge_a_line(patient_clock: PatientClock) -> None:
    p = await run(code(user_code="A\r\nB" + "C" * 100), grant())
    assert p.asked[0].question.user_code is not None
    assert p.asked[0].question.user_code.isprintable()
    assert len(p.asked[0].question.user_code) == 64


@pytest.mark.parametrize(
    ("answer", "meaning", "said"),
    [
        (refusal("unauthorized_client"), Meaning.MISCONFIGURED, "device authorisation endpoint"),
        (httpx2.Response(404, text="<h1>"), Meaning.MISCONFIGURED, "check device_authorization_url"),
        (httpx2.Response(200, json={"user_code": "A"}), Meaning.TEMPORARY, "no error code"),
    ],
)
async def test_no_code(patient_clock: PatientClock, answer: httpx2.Response, meaning: Meaning, said: str) -> None:
    with pytest.raises(TokenEndpointError, match=said) as caught:
        await run(answer, answer)
    assert caught.value.meaning is meaning


async def test_an_error_that_ends_it(patient_clock: PatientClock) -> None:
    with pytest.raises(TokenEndpointError) as caught:
        await run(code(), refusal("invalid_grant", error_description="unknown the-device-code"))
    assert "the-device-code" not in str(caught.value)
    assert Device().kind_of(caught.value) is FailureKind.TEMPORARY


async def test_without_an_endpoint(patient_clock: PatientClock) -> None:
    with pytest.raises(TokenEndpointError, match="needs device_authorization_url") as caught:
        await run(device_authorization_url=None)
    assert caught.value.meaning is Meaning.MISCONFIGURED


# -- through the broker


@asynccontextmanager
async def waiting(*answers: Answer) -> AsyncIterator[Any]:
    async with world(*answers) as w:
        yield w


async def test_it_outlives_the_login_that_began_it(patient_clock: PatientClock) -> None:
    async with waiting(code(), *[PENDING] * 4, grant("access", "refresh")) as w:
        with trio.move_on_after(10):
            await token(w, account=ACCOUNT)
        [pending] = w.consents.pending()
        assert await token(w, account=ACCOUNT) == "access"
        assert await pending.outcome() == Outcome(OutcomeKind.AUTHORISED, ACCOUNT.name, "The account is authorised.")
        assert w.consents.pending() == ()
        assert w.records.record.refresh_token is not None


async def test_ten_logins_are_one_code(patient_clock: PatientClock) -> None:
    async with waiting(code(), PENDING, grant("access")) as w, trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(lambda: token(w, account=ACCOUNT))
    assert len(w.provider.requests) == 3


async def test_another_password_never_begins_it(patient_clock: PatientClock) -> None:
    """Nobody could be asked on the way whether the password was changed, or by whom."""
    async with waiting(code(), grant("access", "refresh")) as w:
        await token(w, account=ACCOUNT)
        before = w.records.record
        with pytest.raises(LoginFailed, match="emailproxy authorise"):
            await w.broker.token(ACCOUNT, WRONG)
        assert await kind(w, WRONG, ACCOUNT) is FailureKind.WRONG_CREDENTIALS
        assert w.consents.pending() == ()
        assert w.records.record == before


async def test_nothing_secret_is_logged(patient_clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with waiting(code(), PENDING, grant("access", "refresh")) as w:
        await token(w, account=ACCOUNT)
        state = next(iter(w.announced)).question.state
    for secret in ("the-device-code", "access", "refresh", PASSWORD.reveal(), state):
        assert secret not in caplog.text.replace("access_", "").replace("refresh_", "")
