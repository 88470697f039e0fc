"""What if another process refreshed, or wrote, meanwhile?"""

from __future__ import annotations

import httpx2
import pytest
import trio

from emailproxy.failures import FailureKind
from tests.clocks import PatientClock
from tests.oauth.support import WRONG, grant, kind, refusal, sealed_record, token, unseal, world


async def test_another_replica_that_refreshed_already_saves_the_request(clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=601)) as w:
        await token(w)
        w.records.put(sealed_record(access="theirs", refresh="their-refresh", expires_in=3600))
        await trio.sleep(10)
        assert await token(w) == "theirs"
        assert w.provider.requests == []


@pytest.mark.parametrize(("theirs", "winner"), [(9000, "theirs"), (100, "fresh")])
async def test_a_conflict_is_won_by_the_newer_token(clock: PatientClock, theirs: int, winner: str) -> None:
    async with world(grant("fresh", "rotated"), record=sealed_record()) as w:

        async def interfere() -> None:
            w.records.before_save = None
            w.records.put(sealed_record(access="theirs", refresh="their-refresh", expires_in=theirs))

        w.records.before_save = interfere
        assert await token(w) == winner
        assert "conflict" in w.journal
        assert unseal(w.records.record, "access_token") == winner


async def test_a_password_changed_elsewhere_meanwhile_is_not_overwritten(clock: PatientClock) -> None:
    async with world(grant("fresh", "rotated"), record=sealed_record()) as w:
        theirs = sealed_record(password=WRONG, access="theirs", expires_in=9000, salt=b"t" * 16)

        async def interfere() -> None:
            w.records.before_save = None
            w.records.put(theirs)

        w.records.before_save = interfere
        assert await kind(w) is FailureKind.WRONG_CREDENTIALS
        assert w.records.record == theirs
        assert await token(w, WRONG) == "theirs"


async def test_invalid_grant_looks_for_a_newer_refresh_token_first(clock: PatientClock) -> None:
    async with world(record=sealed_record()) as w:

        async def rotated_elsewhere(form: dict[str, str]) -> httpx2.Response:
            w.records.put(sealed_record(refresh="their-refresh"))
            return refusal("invalid_grant")

        w.provider.answers = [rotated_elsewhere, grant("fresh")]
        assert await token(w) == "fresh"
        assert [r["refresh_token"] for r in w.provider.requests] == ["old-refresh", "their-refresh"]
        assert w.consents.pending() == ()
