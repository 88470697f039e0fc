"""Answers to an authorisation that somebody else made: replayed, injected, or meant for another account."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
import trio

from emailproxy.failures import LoginFailed
from emailproxy.oauth.consent import OutcomeKind
from tests.clocks import PatientClock
from tests.oauth.support import ACCOUNT, PASSWORD, WRONG, grant, query_of, redirect, token, unseal, world

OTHER = replace(
    ACCOUNT, name="bob@example.com", section="bob@example.com", redirect_uri="http://localhost:8081/elsewhere"
)
PUBLIC = replace(ACCOUNT, client_secret=None)


async def test_a_state_that_was_used_brings_nothing_again(autojump_clock: PatientClock) -> None:
    async with world(grant("new-access", "new-refresh")) as w, trio.open_nursery() as nursery:
        nursery.start_soon(token, w)
        await w.somebody_is_asked()
        [pending] = w.consents.pending()
        assert (await w.consents.complete(redirect(pending))).kind is OutcomeKind.AUTHORISED
        before, requests = w.records.record, len(w.provider.requests)
        replayed = await w.consents.complete(redirect(pending, code="the-attackers"))
        assert replayed.kind is OutcomeKind.AUTHORISED, "the page is shown again, as after a reload"
        assert w.records.record == before
        assert len(w.provider.requests) == requests, "but the code went nowhere"


@pytest.mark.parametrize("state", ["guessed", "", "the-state", "\udcff", "x" * 10_000])
async def test_a_code_without_our_state_is_not_looked_at(autojump_clock: PatientClock, state: str) -> None:
    async with world(grant("new-access", "new-refresh")) as w, trio.open_nursery() as nursery:
        nursery.start_soon(token, w)
        await w.somebody_is_asked()
        told = await w.consents.complete(f"{ACCOUNT.redirect_uri}?code=the-attackers&state={state}")
        assert told.kind in (OutcomeKind.UNKNOWN, OutcomeKind.MALFORMED)
        assert not w.provider.requests
        await w.person()
        assert [form["code"] for form in w.provider.requests] == ["the-code"], "the right one still counts"


async def test_an_injected_code_is_worth_nothing_without_our_verifier(autojump_clock: PatientClock) -> None:
    """PKCE (RFC 7636): who knows the state, and makes the browser bring a code of another client, still has no
    verifier for it, and the provider refuses the exchange."""
    async with world(grant("new-access", "new-refresh")) as w, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: token(w, account=PUBLIC))
        await w.somebody_is_asked()
        [pending] = w.consents.pending()
        query = query_of(pending.url)
        await w.person(code="another-clients")
        [form] = w.provider.requests
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        assert query["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
        assert query["code_challenge_method"] == "S256"
        assert form["code_verifier"] not in pending.url


async def test_an_answer_for_one_account_is_none_for_another() -> None:
    """Each state finds its own account only, at that account's own redirect_uri only."""
    async with world(grant("ada-access", "ada-refresh")) as w, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: token(w))
        await w.somebody_is_asked()
        nursery.start_soon(lambda: token(w, account=OTHER))
        await w.somebody_is_asked(2)
        ada, bob = w.consents.pending()
        crossed = redirect(bob).replace(OTHER.redirect_uri or "", ACCOUNT.redirect_uri or "")
        assert (await w.consents.complete(crossed)).kind is OutcomeKind.UNKNOWN
        assert not w.provider.requests
        assert (await w.consents.complete(redirect(ada))).account == ACCOUNT.name
        assert unseal(w.records.record, "refresh_token") == "ada-refresh"
        assert OTHER.name not in w.records.stored
        assert [pending.account.name for pending in w.consents.pending()] == [OTHER.name]
        nursery.cancel_scope.cancel()


async def test_a_strangers_password_gets_nothing_of_the_owners_consent(autojump_clock: PatientClock) -> None:
    """Two passwords wait; the one whose authorisation a person completes is the account's, and the other is told no."""
    refused: list[LoginFailed] = []

    async with world(grant("new-access", "new-refresh")) as w, trio.open_nursery() as nursery:

        async def stranger() -> None:
            try:
                await token(w, WRONG)
            except LoginFailed as error:
                refused.append(error)

        nursery.start_soon(lambda: token(w))
        await w.somebody_is_asked()
        nursery.start_soon(stranger)
        await w.somebody_is_asked(2)
        await w.person(number=0)
        with trio.fail_after(60):
            while not refused:
                await trio.sleep(0.01)
        assert unseal(w.records.record, "refresh_token", PASSWORD) == "new-refresh"
        assert w.broker.at_hand(ACCOUNT, WRONG) is None
        assert len(w.provider.requests) == 1
