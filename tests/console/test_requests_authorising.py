"""Authorisations that the running proxy itself begins."""

from __future__ import annotations

import pytest

from emailproxy.oauth.consent import OutcomeKind
from tests.clocks import PatientClock
from tests.oauth.managing_support import MANAGED, PHONE, entry, managed_record
from tests.oauth.support import ACCOUNT, PASSWORD, WRONG, grant, redirect, sealed_record, unattended

from .asking import asked

ADA = ACCOUNT.name
MAIL = PASSWORD.reveal()


async def test_a_question_and_its_answer_that_is_pasted(patient_clock: PatientClock) -> None:
    async with asked(grant("new-access", "new-refresh")) as proxy:
        answer = await proxy.post("/api/authorise", account=ADA, password=MAIL)
        [pending] = proxy.world.consents.pending()
        assert answer["account"] == ADA
        assert answer["pending"]["url"] == pending.url
        assert answer["pending"]["id"] == "00000000"
        assert MAIL not in str(answer)
        said = await proxy.post("/api/authorise/answer", url=redirect(pending))
        assert said == {"account": ADA, "outcome": "authorised", "message": "The account is authorised."}
        again = await proxy.post("/api/authorise", account=ADA, password=MAIL)
        assert set(again) == {"account", "until"}, "it works without anybody now"


async def test_the_proxys_own_listener_gets_the_redirect(patient_clock: PatientClock) -> None:
    async with asked(grant("new-access", "new-refresh")) as proxy:
        await proxy.post("/api/authorise", account=ADA, password=MAIL)
        assert (await proxy.world.person()).kind is OutcomeKind.AUTHORISED


async def test_the_mail_password_is_needed_where_it_seals(patient_clock: PatientClock) -> None:
    async with asked(record=sealed_record(expires_in=3600)) as proxy:
        refused = await proxy.refused("/api/authorise", account=ADA)
        assert (refused.status, refused.fields) == (403, {"needs": "password", "stored": True})
        refused = await proxy.refused("/api/authorise", account=ADA, password=WRONG.reveal())
        assert refused.status == 403
        assert refused.fields["needs"] == "replace"
        assert WRONG.reveal() not in str(refused)
        answer = await proxy.post("/api/authorise", account=ADA, password=WRONG.reveal(), replace=True)
        assert "pending" in answer


async def test_a_managed_account_needs_none(patient_clock: PatientClock) -> None:
    record = managed_record(entry(PHONE, "phone"))
    async with asked(grant("new-access", "new-refresh"), record=record, settings=MANAGED) as proxy:
        assert "until" in await proxy.post("/api/authorise", account=ADA)
        assert "pending" in await proxy.post("/api/authorise", account=ADA, again=True)
        refused = await proxy.refused("/api/authorise", account=ADA, password="not one of them")
        assert refused.status == 403
        assert "needs" not in refused.fields, "nothing that the operator could say would help"


async def test_a_flow_without_a_person(patient_clock: PatientClock) -> None:
    application = unattended("client_credentials")
    async with asked(grant("new-access"), accounts=(application,)) as proxy:
        assert "until" in await proxy.post("/api/authorise", account=ADA, password=MAIL)


async def test_answers_that_are_none(patient_clock: PatientClock) -> None:
    async with asked() as proxy:
        await proxy.post("/api/authorise", account=ADA, password=MAIL)
        [pending] = proxy.world.consents.pending()
        assert (await proxy.refused("/api/authorise/answer", url="http://localhost/")).status == 400
        assert (await proxy.refused("/api/authorise/answer", url="http://localhost/?code=1&state=no")).status == 404
        denied = redirect(pending).replace("code=", "error=access_denied&x=")
        refused = await proxy.refused("/api/authorise/answer", url=denied)
        assert (refused.status, refused.fields["outcome"]) == (422, "denied")
        assert refused.fields["ref"]


async def test_a_changed_mail_password_is_confirmed(patient_clock: PatientClock) -> None:
    async with asked(grant("new-access", "new-refresh"), record=sealed_record(expires_in=3600)) as proxy:
        with pytest.raises(Exception, match="not the one"):
            await proxy.world.broker.token(ACCOUNT, WRONG, client="192.0.2.7:1")
        await proxy.world.somebody_is_asked()
        url = redirect(proxy.world.consents.pending()[0])
        refused = await proxy.refused("/api/authorise/answer", url=url)
        assert refused.status == 409
        assert refused.fields["needs"] == "confirmation"
        assert refused.fields["client"] == "192.0.2.7:1"
        said = await proxy.post("/api/authorise/answer", url=url, confirmed=True)
        assert said["outcome"] == "authorised"
