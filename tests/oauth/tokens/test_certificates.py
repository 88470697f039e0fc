"""Applications with a certificate, and service accounts, through the broker: what the provider gets."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import trio
from joserfc import jwt
from joserfc.jwk import RSAKey

from emailproxy.config.identity import Certificate
from emailproxy.config.model import Account, Settings
from emailproxy.failures import FailureKind
from emailproxy.references.base import Fetched, Reference
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.config.keys import PASSPHRASE, certificate, google_key, key, pfx, rsa_key
from tests.oauth.support import (
    ACCOUNT,
    DOWN,
    EPOCH,
    World,
    failure,
    grant,
    refusal,
    sealed_record,
    token,
    unattended,
    world,
)
from tests.references.fakes import FakeSource, sources

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def files(tmp_path: Path) -> Certificate:
    (tmp_path / "cert.pem").write_bytes(certificate())
    (tmp_path / "key.pem").write_bytes(key(passphrase=PASSPHRASE))
    return Certificate(tmp_path / "cert.pem", tmp_path / "key.pem", Secret(PASSPHRASE), "PS256")


def application(files: Certificate) -> Account:
    return unattended("client_credentials", client_secret=None, certificate=files)


def claims(form: dict[str, str], name: str = "client_assertion", number: int = 0) -> dict[str, object]:
    public = RSAKey.import_key(rsa_key(number).public_key())
    return jwt.decode(form[name], public, algorithms=["RS256", "PS256"]).claims


async def test_the_application_itself(
    clock: PatientClock, files: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with world(grant("fresh")) as w:
        assert await token(w, account=application(files)) == "fresh"
        (form,) = w.provider.requests
        sent = form["client_assertion"]
        assert claims(form)["aud"] == "https://provider.test/token"
        assert claims(form)["iss"] == "the-client"
        issued = claims(form)["iat"]
        assert isinstance(issued, int)
        assert EPOCH <= issued < EPOCH + 60, "by the broker's clock"
    assert form == {
        "grant_type": "client_credentials",
        "scope": "mail offline_access",
        "client_id": "the-client",
        "client_assertion_type": JWT_BEARER,
        "client_assertion": sent,
    }
    assert sent not in caplog.text
    assert PASSPHRASE not in caplog.text


async def test_a_person_and_a_certificate(clock: PatientClock, files: Certificate) -> None:
    """The code and the refresh token go with an assertion as well, each with one of its own."""
    account = replace(ACCOUNT, client_secret=None, certificate=files)
    async with world(grant("first", "refresh", 700), grant("second")) as w, trio.open_nursery() as nursery:

        async def log_in() -> None:
            assert await token(w, account=account) == "first"

        nursery.start_soon(log_in)
        await w.person()
        await trio.sleep(200)
        assert await token(w, account=account) == "second"
        code, renewed = w.provider.requests
    assert (code["grant_type"], renewed["grant_type"]) == ("authorization_code", "refresh_token")
    assert claims(code)["jti"] != claims(renewed)["jti"]
    assert not {"client_secret"} & (set(code) | set(renewed))


async def test_a_repetition_has_an_assertion_of_its_own(clock: PatientClock, files: Certificate) -> None:
    async with world(DOWN, grant("fresh")) as w:
        assert await token(w, account=application(files)) == "fresh"
        first, second = w.provider.requests
    assert claims(first)["jti"] != claims(second)["jti"]


async def test_a_renewed_certificate_needs_no_reload(clock: PatientClock, tmp_path: Path) -> None:
    path = tmp_path / "both.pfx"
    path.write_bytes(pfx(PASSPHRASE))
    account = application(Certificate(path, None, Secret(PASSPHRASE)))
    async with world(grant("first", expires_in=700), grant("second")) as w:
        assert await token(w, account=account) == "first"
        path.write_bytes(certificate(1) + key(1, PASSPHRASE))
        await trio.sleep(200)
        assert await token(w, account=account) == "second"
        claims(w.provider.requests[1], number=1)


async def test_content_from_elsewhere(clock: PatientClock) -> None:
    content = Fetched(Reference("azure", "v/secrets/mail"), Secret.from_octets(certificate() + key()))
    async with world(grant("fresh")) as w:
        assert await token(w, account=application(Certificate(content))) == "fresh"
        claims(w.provider.requests[0])


async def test_the_mail_password_is_no_client_secret_then(clock: PatientClock, files: Certificate) -> None:
    settings = Settings(use_login_password_as_client_credentials_secret=True)
    async with world(refusal("invalid_client", 401, error_codes=[700027]), settings=settings) as w:
        told = (await failure(w, account=application(files))).failure
        assert told.kind is FailureKind.MISCONFIGURED
        assert "upload this certificate" in told.detail
        assert "client_secret" not in w.provider.requests[0]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "key.pem").unlink(), "jwt_key_path: "),
        (lambda folder: (folder / "cert.pem").write_bytes(b"rubbish"), "jwt_certificate_path: this is no certificate"),
        (lambda folder: (folder / "key.pem").write_bytes(key(1)), "jwt_key_path: this is not the key"),
        (lambda folder: (folder / "key.pem").write_bytes(key(0, "another")), "jwt_key_passphrase: the key cannot be"),
        (lambda folder: (folder / "key.pem").write_bytes(b"x" * 2_000_000), "is too large"),
    ],
)
async def test_files_that_broke_later(
    clock: PatientClock, files: Certificate, tmp_path: Path, spoil: object, said: str
) -> None:
    assert callable(spoil)
    spoil(tmp_path)
    async with world() as w:
        told = (await failure(w, account=application(files))).failure
        assert told.kind is FailureKind.MISCONFIGURED
        assert said in told.detail
        assert PASSPHRASE not in told.detail
        assert not w.provider.requests


async def test_a_provider_that_quotes_the_assertion(clock: PatientClock, files: Certificate) -> None:
    async def quoting(form: dict[str, str]) -> httpx2.Response:
        return refusal("invalid_client", 401, error_description=f"cannot read {form['client_assertion']}!")

    async with world(quoting) as w:
        assert "cannot read [secret]!" in (await failure(w, account=application(files))).failure.detail


# --- service accounts of Google ---------------------------------------------------------------------------------------


def service_account(client_id: str, secret: Secret | Reference) -> Account:
    return unattended(
        "service_account",
        client_id=client_id,
        client_secret=secret,
        token_url="https://oauth2.googleapis.com/token",
        oauth2_scope="https://mail.google.com/",
    )


async def served(w: World, account: Account) -> None:
    assert await token(w, account=account) == "fresh"
    (form,) = w.provider.requests
    assert set(form) == {"grant_type", "assertion"}
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    said = claims(form, "assertion")
    assert (said["sub"], said["aud"]) == ("ada@example.com", "https://oauth2.googleapis.com/token")
    assert (said["iss"], said["scope"]) == ("proxy@mail.iam.gserviceaccount.com", "https://mail.google.com/")


async def test_a_key_file(clock: PatientClock, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(google_key())
    async with world(grant("fresh")) as w:
        await served(w, service_account("file", Secret(str(tmp_path / "key.json"))))


async def test_the_key_itself(clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with world(grant("fresh")) as w:
        await served(w, service_account("key", Secret(google_key())))
        assert w.provider.requests[0]["assertion"] not in caplog.text


async def test_a_reference_to_the_key(clock: PatientClock) -> None:
    vault = FakeSource({"google": google_key()})
    async with world(grant("fresh"), sources=sources(vault)) as w:
        await served(w, service_account("key", Reference("vault", "google")))


async def test_a_wrong_password_is_refused_for_ever(clock: PatientClock) -> None:
    account = service_account("key", Secret(google_key()))
    async with world(record=sealed_record(expires_in=3600)) as w:
        told = (await failure(w, Secret("battery staple"), account)).failure
        assert told.kind is FailureKind.WRONG_CREDENTIALS
        assert not w.provider.requests


@pytest.mark.parametrize(
    ("code", "said"),
    [("unauthorized_client", "at the provider"), ("invalid_grant", "not accepted")],
)
async def test_refusals_are_for_the_administrator(clock: PatientClock, code: str, said: str) -> None:
    async with world(refusal(code, 401)) as w:
        told = (await failure(w, account=service_account("key", Secret(google_key())))).failure
        assert told.kind is FailureKind.MISCONFIGURED
        assert said in told.detail


async def test_a_key_that_is_none(clock: PatientClock) -> None:
    async with world() as w:
        vault = service_account("key", Secret(google_key(private_key="-----BEGIN PRIVATE KEY-----\nhidden\n")))
        told = (await failure(w, account=vault)).failure
        assert "no private key that can be read" in told.detail
        assert "hidden" not in told.detail


async def test_ten_logins_are_one_assertion(clock: PatientClock, files: Certificate) -> None:
    async with world(grant("fresh")) as w, trio.open_nursery() as nursery:
        got: list[str] = []

        async def one() -> None:
            got.append(await token(w, account=application(files)))

        for _ in range(10):
            nursery.start_soon(one)
    assert got == ["fresh"] * 10
    assert len(w.provider.requests) == 1
