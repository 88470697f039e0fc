"""IAM's signature for a service account, with the real google-auth and a fake of the one request."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import httpx2
import pytest

from emailproxy.assertions.base import IssuerAddress, Statement
from emailproxy.assertions.issuers import Issuers
from emailproxy.store.base import (
    StoreAddressError,
    StoreContentError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)
from emailproxy_backends.assertion_adc import IamSigner
from tests.assertions.fakes import jwt
from tests.config.keys import google_key

from .conftest import cannot

try:
    import google.auth  # noqa: F401
except ImportError:
    cannot("google-auth is not installed")

STATEMENT = Statement("https://oauth2.googleapis.com/token", "ada@example.com", "https://mail.google.com/")
ACCOUNT = "proxy@mail.iam.gserviceaccount.com"


class Iam:
    """Answers signJwt."""

    def __init__(self, answer: httpx2.Response | Exception | None = None) -> None:
        self.answer = answer or httpx2.Response(200, json={"keyId": "1", "signedJwt": jwt(iss=ACCOUNT)})
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture(autouse=True)
def _credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "adc.json"
    path.write_text(google_key())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))


def issue(iam: Iam, rest: str = "") -> str:
    known = Issuers({"adc": lambda: IamSigner(httpx2.MockTransport(iam), lambda: 1_700_000_000.5)})
    try:
        return known.issue(IssuerAddress("adc", rest), STATEMENT).reveal()
    finally:
        known.close()


@pytest.mark.parametrize("rest", ["", "other@mail.iam.gserviceaccount.com"])
def test_the_request(rest: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "emailproxy")
    iam = Iam()
    assert issue(iam, rest) == jwt(iss=ACCOUNT)
    (request,) = iam.requests
    principal = rest or ACCOUNT
    assert request.method == "POST"
    assert str(request.url) == (
        f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{principal.replace('@', '%40')}:signJwt"
    )
    body = json.loads(request.content)
    assert set(body) == {"payload"}
    assert json.loads(body["payload"]) == {
        "iss": principal,
        "sub": "ada@example.com",
        "scope": "https://mail.google.com/",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_700_000_000,
        "exp": 1_700_003_600,
    }
    assert request.headers["Authorization"].startswith("Bearer eyJ")
    assert "eyJ" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (httpx2.Response(403, json={"error": {"message": "eyJ"}}), StoreDeniedError, "serviceAccountTokenCreator"),
        (httpx2.Response(404), StoreAddressError, "there is no service account proxy@"),
        (httpx2.Response(401), StoreDeniedError, "does not accept the credentials"),
        (httpx2.Response(503), StoreUnavailableError, "HTTP 503"),
        (httpx2.Response(200, text="<html>"), StoreContentError, "no signedJwt"),
        (httpx2.Response(200, json=[]), StoreContentError, "no signedJwt"),
        (httpx2.Response(200, json={"signedJwt": "x"}), StoreContentError, "no signed token"),
        (httpx2.ConnectError("no route"), StoreUnavailableError, "ConnectError"),
    ],
)
def test_failures(answer: httpx2.Response | Exception, error: type[StoreError], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        issue(Iam(answer))
    assert "eyJ" not in str(caught.value)


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/none/adc.json")
    iam = Iam()
    with pytest.raises(StoreDeniedError, match="no usable Google credentials"):
        issue(iam)
    assert not iam.requests


def test_credentials_that_are_no_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "person.json"
    fields = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    path.write_text(json.dumps(fields))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setattr(
        "emailproxy_backends.gcp_identity.Identity.headers", lambda *_: (("authorization", "Bearer x"),)
    )
    with pytest.raises(StoreAddressError, match="which service account"):
        issue(Iam())


@pytest.mark.parametrize("rest", ["mail", "a@b/../c", "a@b:generateIdToken"])
def test_addresses(rest: str) -> None:
    with pytest.raises(StoreAddressError, match="no service account"):
        issue(Iam(), rest)
