"""Which login is answered from memory at once? One with the right password, while the token is good for a while."""

from __future__ import annotations

from dataclasses import replace

import trio

from emailproxy.oauth.opened import AHEAD
from emailproxy.oauth.vault import TRUST_SECONDS
from tests.clocks import PatientClock
from tests.oauth.support import ACCOUNT, PASSWORD, WRONG, sealed_record, world


async def test_only_what_a_login_has_proved_is_at_hand(autojump_clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=AHEAD + 30)) as w:
        assert w.broker.at_hand(ACCOUNT, PASSWORD) is None, "nobody has opened the record yet"
        token = await w.broker.token(ACCOUNT, PASSWORD)
        assert w.broker.at_hand(ACCOUNT, PASSWORD) == token
        assert w.broker.at_hand(ACCOUNT, WRONG) is None
        assert w.broker.at_hand(replace(ACCOUNT, oauth2_flow="no such flow"), PASSWORD) is None


async def test_a_token_that_is_due_for_renewal_is_not_at_hand(autojump_clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=AHEAD + 30)) as w:
        await w.broker.token(ACCOUNT, PASSWORD)
        await trio.sleep(31)
        assert w.broker.at_hand(ACCOUNT, PASSWORD) is None


async def test_the_store_is_asked_again_after_a_while(autojump_clock: PatientClock) -> None:
    async with world(record=sealed_record(expires_in=AHEAD + 3600)) as w:
        await w.broker.token(ACCOUNT, PASSWORD)
        await trio.sleep(TRUST_SECONDS + 1)
        assert w.broker.at_hand(ACCOUNT, PASSWORD) is None
        await w.broker.token(ACCOUNT, PASSWORD)
        assert w.broker.at_hand(ACCOUNT, PASSWORD) is not None
