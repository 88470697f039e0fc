"""An examination in the running proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.console import requests_doctor as module
from emailproxy.console.messages import Doctor, DoctorDone, decode, encode
from emailproxy.console.refusing import Body, RequestRefusedError
from emailproxy.console.requests_doctor import DoctorRequests
from emailproxy.store.cached import CachedStore
from emailproxy.testing.provider.server import USER
from emailproxy_backends.file import FileStore
from tests.doctor.support import PASSWORD, Patient, admitted, interactive
from tests.patience import eventually

from .asking import Asked, asked


async def finished(proxy: Asked) -> DoctorDone:
    await eventually(lambda: proxy.said and isinstance(proxy.said[-1], DoctorDone))
    last = proxy.said[-1]
    assert isinstance(last, DoctorDone)
    return last


def doctor(proxy: Asked, patient: Patient) -> DoctorRequests:
    import dataclasses

    from emailproxy.config import load

    config = load(patient.path)
    context = dataclasses.replace(proxy.context, config=lambda: config, records=CachedStore(FileStore(patient.path)))
    return DoctorRequests(context, patient.world)


async def test_each_step_is_told(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient, asked() as proxy:
        patient.account |= interactive(patient.provider)
        patient.seal(access=patient.provider.issuer.issue_access_token(USER))
        patient.write()
        answer = await doctor(proxy, patient).begin({}, Body({"account": USER, "password": PASSWORD.reveal()}))
        assert answer["logins"] is True
        done = await finished(proxy)
        assert (done.run, done.account, done.failures) == (answer["run"], USER, 0)
        steps = [each for each in proxy.said if isinstance(each, Doctor)]
        assert {each.run for each in steps} == {answer["run"]}
        logins = [(each.outcome, each.subject.split()[0]) for each in steps if each.step == "login"]
        assert logins == [(o, p) for p in ("IMAP", "POP", "SMTP") for o in ("running", "ok")]
        [token] = [each for each in steps if each.step == "token" and each.outcome == "ok"]
        assert dict(token.facts)["octets"]
        said = "".join(encode(each, "s", 1, 1.0) for each in proxy.said)
        for secret in patient.secrets:
            assert secret not in said
        assert decode(encode(token, "s", 1, 1.0)).message == token


async def test_one_at_a_time_and_without_a_password_no_logins(tmp_path: Path) -> None:
    async with admitted(tmp_path) as patient, asked() as proxy:
        patient.write()
        requests = doctor(proxy, patient)
        answer = await requests.begin({}, Body({"account": USER, "sections": ["IMAP-19930"]}))
        assert answer["logins"] is False
        with pytest.raises(RequestRefusedError) as caught:
            await requests.begin({}, Body({}))
        assert (caught.value.status, caught.value.fields) == (409, {"run": answer["run"]})
        assert (await finished(proxy)).failures == 0
        assert not [each for each in proxy.said if isinstance(each, Doctor) and each.step == "login"]
        proxy.said.clear()
        assert (await requests.begin({}, Body({})))["run"] != answer["run"]
        assert (await finished(proxy)).account is None


async def test_a_mistake_of_ours_ends_the_examination_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    async def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "examine", broken)
    async with admitted(tmp_path) as patient, asked() as proxy:
        patient.write()
        await doctor(proxy, patient).begin({}, Body({}))
        assert (await finished(proxy)).failures == 1
    assert "mistake in emailproxy" in caplog.text
