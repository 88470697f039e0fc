"""The web identity token of AWS, with the real SDK, against an STS of our own: no emulator knows the call."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

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
from tests.assertions.fakes import jwt

from .conftest import cannot

try:
    import boto3  # noqa: F401
except ImportError:
    cannot("boto3 is not installed")

TOKEN = jwt(sub="arn:aws:iam::123456789012:role/mail")
STATEMENT = Statement("api://AzureADTokenExchange")


class Sts(ThreadingHTTPServer):
    """Answers GetWebIdentityToken in STS's query protocol."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, str]] = []
        self.authorizations: list[str] = []
        self.refusal: tuple[int, str] | None = None
        self.token: str | None = TOKEN

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Sts

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.requests.append({name: values[0] for name, values in parse_qs(body).items()})
        self.server.authorizations.append(self.headers["Authorization"])
        space = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
        status = 200
        if self.server.refusal is not None:
            status, code = self.server.refusal
            text = (
                f"<ErrorResponse {space}><Error><Code>{code}</Code><Message>{TOKEN}</Message></Error></ErrorResponse>"
            )
        else:
            token = f"<WebIdentityToken>{self.server.token}</WebIdentityToken>" if self.server.token else ""
            text = (
                f"<GetWebIdentityTokenResponse {space}><GetWebIdentityTokenResult>{token}"
                "<Expiration>2030-01-01T00:00:00Z</Expiration></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"
            )
        octets = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    server = Sts()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-access-key")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def issue(rest: str = "") -> str:
    known = Issuers()
    try:
        return known.issue(IssuerAddress("aws", rest), STATEMENT).reveal()
    finally:
        known.close()


def test_the_request(sts: Sts, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert issue() == TOKEN
    (request,) = sts.requests
    assert request == {
        "Action": "GetWebIdentityToken",
        "Version": "2011-06-15",
        "Audience.member.1": "api://AzureADTokenExchange",
        "DurationSeconds": "300",
        "SigningAlgorithm": "RS256",
    }
    assert "/eu-central-1/sts/aws4_request" in sts.authorizations[0]
    assert TOKEN not in caplog.text
    assert "the-secret-access-key" not in caplog.text


def test_another_region(sts: Sts) -> None:
    issue("us-gov-west-1")
    assert "/us-gov-west-1/sts/aws4_request" in sts.authorizations[0]


@pytest.mark.parametrize(
    ("status", "code", "error", "said"),
    [
        (403, "AccessDenied", StoreDeniedError, "sts:GetWebIdentityToken"),
        (400, "OutboundWebIdentityFederationDisabled", StoreDeniedError, "enable-outbound-web-identity-federation"),
        (403, "ExpiredToken", StoreDeniedError, "does not accept the credentials"),
        (400, "SomethingNew", StoreUnavailableError, "SomethingNew"),
        (503, "ServiceUnavailable", StoreUnavailableError, "try again later"),
    ],
)
def test_refusals(sts: Sts, status: int, code: str, error: type[StoreError], said: str) -> None:
    sts.refusal = status, code
    with pytest.raises(error, match=said) as caught:
        issue()
    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_answer_without_a_token(sts: Sts) -> None:
    sts.token = None
    with pytest.raises(StoreContentError):
        issue()


def test_no_credentials(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreDeniedError, match="give the machine, task or pod a role"):
        issue()


def test_no_region(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(StoreAddressError, match="in which region"):
        issue()


def test_nobody_there(sts: Sts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    with pytest.raises(StoreUnavailableError, match="STS cannot be used"):
        issue()


@pytest.mark.parametrize("rest", ["frankfurt", "eu-central-1.evil.test", "eu-central-1/x"])
def test_no_region_at_all(rest: str) -> None:
    with pytest.raises(StoreAddressError, match="no region"):
        issue(rest)
