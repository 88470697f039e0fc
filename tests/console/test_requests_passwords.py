"""App passwords while the proxy runs."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from emailproxy.config import Settings
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.hashing import is_hash
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.oauth.managing_support import IMAP, MANAGED, PHONE, SMTP, entry, managed_record
from tests.oauth.support import ACCOUNT, sealed_record

from .asking import asked

ADA = ACCOUNT.name


async def test_add_use_list_and_revoke(patient_clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with asked(record=managed_record(entry(PHONE, "phone")), settings=MANAGED) as proxy:
        made = await proxy.post("/api/passwords/add", account=ADA, name="printer", protocols=["smtp", "SMTP"])
        assert made["protocols"] == ["SMTP"]
        assert made["mechanisms"] == []
        password = Secret(str(made["password"]))
        assert str(made["id"]) == password.reveal()[:3]
        assert not any(is_hash(str(value)) for value in made.values())
        token = await proxy.world.broker.token(ACCOUNT, password, server=SMTP)
        assert token.value.reveal() == "old-access", "at once, though the account was in memory"
        with pytest.raises(LoginFailed, match="good for SMTP only"):
            await proxy.world.broker.token(ACCOUNT, password, server=IMAP)

        listed = await proxy.post("/api/passwords", account=ADA)
        assert listed["managed"]
        assert [each["name"] for each in listed["passwords"]] == ["phone", "printer"]
        assert password.reveal() not in str(listed)
        assert "argon2" not in str(listed)

        gone = await proxy.post("/api/passwords/revoke", account=ADA, name="printer")
        assert (gone["id"], gone["left"]) == (made["id"], 1)
        with pytest.raises(LoginFailed) as caught:
            await proxy.world.broker.token(ACCOUNT, password, server=SMTP)
        assert caught.value.failure.kind is FailureKind.WRONG_CREDENTIALS, "at once"
    assert password.reveal() not in caplog.text


async def test_a_new_account_becomes_a_managed_one(patient_clock: PatientClock) -> None:
    async with asked(settings=MANAGED) as proxy:
        assert await proxy.post("/api/passwords", account=ADA) == {"account": ADA, "managed": False, "passwords": []}
        await proxy.post("/api/passwords/add", account=ADA, name="phone", networks=["192.0.2.0/24"])
        made = await proxy.post("/api/passwords/add", account=ADA, name="fax", mechanisms=["cram-md5"])
        assert made["mechanisms"] == ["CRAM-MD5"]
        await proxy.post("/api/passwords/revoke", account=ADA, name="fax")
        [listed] = (await proxy.post("/api/passwords", account=ADA))["passwords"]
        assert listed["networks"] == ["192.0.2.0/24"]
        assert listed["last_used"] is None


@pytest.mark.parametrize(
    ("settings", "managed", "said"),
    [(MANAGED, False, "has a mail password"), (Settings(), True, "seal_key")],
    ids=["compatible", "no-key"],
)
async def test_what_cannot_be(patient_clock: PatientClock, settings: Settings, managed: bool, said: str) -> None:
    record = managed_record(entry(PHONE, "phone")) if managed else sealed_record(expires_in=3600)
    async with asked(record=record, settings=settings) as proxy:
        refused = await proxy.refused("/api/passwords/add", account=ADA, name="x")
        assert refused.status == 409
        assert said in str(refused)
        assert proxy.world.records.record == record


async def test_what_is_not_there(patient_clock: PatientClock) -> None:
    async with asked(record=managed_record(entry(PHONE, "phone")), settings=MANAGED) as proxy:
        assert (await proxy.refused("/api/passwords/revoke", account=ADA, name="fax")).status == 409
    async with asked(settings=MANAGED) as proxy:
        assert (await proxy.refused("/api/passwords/revoke", account=ADA, name="fax")).status == 404


@pytest.mark.parametrize(
    "fields",
    [{"mechanisms": ["plain"]}, {"expires": 1}, {"networks": ["nowhere"]}, {"protocols": ["fax"]}, {"name": ""}],
    ids=["mechanism", "over", "network", "protocol", "name"],
)
async def test_terms_that_are_none(patient_clock: PatientClock, fields: dict[str, Any]) -> None:
    async with asked(settings=MANAGED) as proxy:
        assert (await proxy.refused("/api/passwords/add", **({"account": ADA, "name": "x"} | fields))).status == 400


async def test_another_writer_was_faster(patient_clock: PatientClock) -> None:
    async with asked(record=managed_record(entry(PHONE, "phone")), settings=MANAGED) as proxy:
        records, times = proxy.world.records, 0

        async def meddle() -> None:
            nonlocal times
            times += 1
            if times <= 2:
                records.put(records.record)

        records.before_save = meddle
        await proxy.post("/api/passwords/add", account=ADA, name="printer")
        assert len((await proxy.post("/api/passwords", account=ADA))["passwords"]) == 2
        times = -100
        assert (await proxy.refused("/api/passwords/add", account=ADA, name="fax")).status == 503
