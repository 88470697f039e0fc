"""What happens to a token that the mail server refused?"""

from __future__ import annotations

import trio

from emailproxy.failures import FailureKind
from tests.clocks import PatientClock
from tests.oauth.support import ACCOUNT, DOWN, PASSWORD, failure, grant, kind, sealed_record, token, unattended, world


async def test_a_refused_token_is_refreshed_once_and_not_returned_again(clock: PatientClock) -> None:
    async with world(grant("fresh"), record=sealed_record(expires_in=3600)) as w:
        old = await w.broker.token(ACCOUNT, PASSWORD)
        got: list[str] = []

        async def one() -> None:
            got.append(await token(w, refused=old))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(one)
        assert got == ["fresh"] * 5
        assert await token(w, refused=old) == "fresh"
        assert len(w.provider.requests) == 1


async def test_a_refused_token_does_not_serve_during_an_outage(clock: PatientClock) -> None:
    async with world(DOWN, DOWN, record=sealed_record(expires_in=3600)) as w:
        old = await w.broker.token(ACCOUNT, PASSWORD)
        assert await kind(w, refused=old) is FailureKind.TEMPORARY


async def test_a_provider_that_gives_the_refused_token_again(clock: PatientClock) -> None:
    async with world(grant("old-access"), grant("old-access"), record=sealed_record(expires_in=3600)) as w:
        old = await w.broker.token(ACCOUNT, PASSWORD)
        error = await failure(w, refused=old)
        assert error.failure.kind is FailureKind.MISCONFIGURED
        assert "same one again" in error.failure.detail


async def test_refused_tokens_cannot_become_a_storm_of_requests(clock: PatientClock) -> None:
    answers = [grant(f"fresh {n}") for n in range(10)]
    async with world(*answers, record=sealed_record(expires_in=3600)) as w:
        last = await w.broker.token(ACCOUNT, PASSWORD)
        for _ in range(5):
            last = await w.broker.token(ACCOUNT, PASSWORD, refused=last)
        assert await kind(w, refused=last) is FailureKind.TEMPORARY
        assert len(w.provider.requests) == 5
        await trio.sleep(61)
        await w.broker.token(ACCOUNT, PASSWORD, refused=last)


async def test_a_flow_without_refresh_fetches_another(clock: PatientClock) -> None:
    account = unattended("client_credentials")
    async with world(grant("one"), grant("two")) as w:
        one = await w.broker.token(account, PASSWORD)
        assert await token(w, account=account, refused=one) == "two"
