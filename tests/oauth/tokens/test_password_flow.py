"""What if the provider itself judges the mail password?"""

from __future__ import annotations

from emailproxy.failures import FailureKind
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.oauth.support import KEEP, WRONG, grant, kind, refusal, sealed_record, token, unattended, unseal, world


async def test_the_password_flow_lets_the_provider_judge(clock: PatientClock) -> None:
    account = unattended("password")
    answers = (
        grant("for the first password"),
        refusal("invalid_grant", error_codes=[50126]),
        grant("for the changed password"),
    )
    async with world(*answers) as w:
        assert await token(w, account=account) == "for the first password"
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert len(w.provider.requests) == 2, "a wrong password is not sent again and again"
        assert await token(w, account=account) == "for the first password"
        assert await token(w, Secret("changed"), account) == "for the changed password"
        assert unseal(w.records.record, "access_token", Secret("changed")) == "for the changed password"


async def test_the_password_flow_judges_here_if_told_so(clock: PatientClock) -> None:
    account = unattended("password")
    async with world(record=sealed_record(expires_in=3600), settings=KEEP) as w:
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert w.provider.requests == []


async def test_a_dead_refresh_token_of_the_password_flow_needs_nobody(clock: PatientClock) -> None:
    account = unattended("password")
    async with world(refusal("invalid_grant"), grant("again", "rt"), record=sealed_record()) as w:
        assert await token(w, account=account) == "again"
        assert [r["grant_type"] for r in w.provider.requests] == ["refresh_token", "password"]


async def test_the_first_password_of_the_password_flow_may_be_wrong(clock: PatientClock) -> None:
    account = unattended("password")
    async with world(refusal("invalid_grant"), grant("right")) as w:
        assert await kind(w, WRONG, account) is FailureKind.WRONG_CREDENTIALS
        assert w.records.stored == {}
        assert await token(w, account=account) == "right"
