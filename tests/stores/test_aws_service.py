"""The real SDK against answers that emulators do not give: each code of the service has one meaning."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from emailproxy.store.base import (
    CacheStore,
    Record,
    StoreAddressError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)
from emailproxy.store.registry import open_store

from .aws_emulators import REGION, aws_environment
from .conftest import cannot

try:
    import boto3  # noqa: F401
except ImportError:
    cannot("boto3 is not installed (pip install 'emailproxy-cloud[aws]')")

__all__ = ["aws_environment"]

ADA = "ada@example.com"


class Answers(ThreadingHTTPServer):
    """Answers each call with `answer`, and keeps what was asked."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: tuple[int, dict[str, object]] = (200, {})
        self.pages: list[dict[str, object]] = []
        """Answers that come first, once each."""
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.delay = 0.0
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that does not trust us is a test."""


class _Handler(BaseHTTPRequestHandler):
    server: Answers

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.headers["X-Amz-Target"].partition(".")[2], json.loads(body)))
        time.sleep(self.server.delay)
        status, answer = (200, self.server.pages.pop(0)) if self.server.pages else self.server.answer
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("x-amzn-RequestId", "request-7")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Answers]:
    yield from serving(Answers())


def serving(server: Answers) -> Iterator[Answers]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def opened(url: str, place: str = "proxy/", **options: str) -> CacheStore:
    query = "".join(f"&{name}={text}" for name, text in options.items())
    return open_store(f"aws:{place}?region={REGION}&endpoint={url}{query}")


DENIAL = (
    "User: arn:aws:sts::123456789012:assumed-role/mail/i-0 is not authorized to perform: kms:Decrypt on resource: "
    "arn:aws:kms:eu-central-1:123456789012:key/k because no identity-based policy allows the kms:Decrypt action"
)


@pytest.mark.parametrize(
    ("status", "code", "text", "kind", "message"),
    [
        (
            400,
            "AccessDeniedException",
            DENIAL,
            StoreDeniedError,
            "assumed-role/mail/i-0 lacks the permission kms:Decrypt",
        ),
        (
            400,
            "AccessDeniedException",
            "Access to KMS is not allowed",
            StoreDeniedError,
            "credentials from env lacks the permission secretsmanager:GetSecretValue",
        ),
        (400, "DecryptionFailure", "", StoreDeniedError, "kms:Decrypt on the secret's key, or the key is disabled"),
        (400, "UnrecognizedClientException", "", StoreDeniedError, "does not accept the credentials from env"),
        (400, "ExpiredTokenException", "", StoreDeniedError, "expired"),
        (400, "InvalidSignatureException", "", StoreDeniedError, "does not accept"),
        (403, "SomethingNew", "", StoreUnavailableError, r"AWS failed.*SomethingNew"),
        (400, "ThrottlingException", "", StoreUnavailableError, "throttling"),
        (500, "InternalServiceError", "", StoreUnavailableError, "AWS failed"),
        (503, "ServiceUnavailable", "", StoreUnavailableError, "AWS failed"),
        (400, "ValidationException", "Value 'hunter2' at 'secretId'", StoreAddressError, "malformed"),
        (400, "InvalidParameterException", "hunter2", StoreUnavailableError, "AWS refuses it"),
    ],
)
def test_what_a_refusal_means(
    service: Answers, status: int, code: str, text: str, kind: type[StoreError], message: str
) -> None:
    service.answer = (status, {"__type": code, "message": text})
    with pytest.raises(StoreError, match=message) as refused:
        opened(service.url).load(ADA)
    assert type(refused.value) is kind or (kind is StoreUnavailableError and isinstance(refused.value, kind))
    assert "aws:proxy/: GetSecretValue of proxy/ada@example.com" in str(refused.value)
    assert "request-7" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert {call for call, _ in service.asked} == {"GetSecretValue"}


@pytest.mark.parametrize("status", [400, 404])
def test_absent_with_either_status(service: Answers, status: int) -> None:
    service.answer = (status, {"__type": "ResourceNotFoundException", "message": ""})
    assert opened(service.url).load(ADA) is None


def test_the_current_version_is_asked_for_by_its_label(service: Answers) -> None:
    service.answer = (400, {"__type": "ResourceNotFoundException"})
    opened(service.url).load(ADA)
    assert service.asked == [("GetSecretValue", {"SecretId": f"proxy/{ADA}", "VersionStage": "AWSCURRENT"})]


def test_the_key_is_named_at_creation(service: Answers) -> None:
    service.answer = (400, {"__type": "ResourceNotFoundException"})
    with pytest.raises(StoreError):
        opened(service.url, kms_key="alias/mail").save(ADA, Record(refresh_token="r"), None)
    [created] = [asked for call, asked in service.asked if call == "CreateSecret"]
    assert created["KmsKeyId"] == "alias/mail"


def test_throttling_is_tried_three_times(service: Answers) -> None:
    service.answer = (400, {"__type": "ThrottlingException"})
    with pytest.raises(StoreUnavailableError):
        opened(service.url).load(ADA)
    assert len(service.asked) == 3


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
    with pytest.raises(StoreUnavailableError, match=r"cannot be reached \(EndpointConnectionError\)"):
        opened(url).load(ADA)


def test_no_answer(service: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    from emailproxy_backends import aws_service

    monkeypatch.setattr(aws_service, "READ_SECONDS", 0.1)
    service.delay = 0.5
    with pytest.raises(StoreUnavailableError, match=r"cannot be reached \(ReadTimeoutError\)"):
        opened(service.url).load(ADA)
    assert len(service.asked) == 3


def test_a_private_certificate_authority(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    for server in serving(Answers(context)):
        server.answer = (400, {"__type": "ResourceNotFoundException"})
        assert opened(server.url, ca=str(tmp_path / "ca.pem")).load(ADA) is None
        with pytest.raises(StoreUnavailableError, match="certificate authority in the option ca"):
            opened(server.url).load(ADA)
    with pytest.raises(StoreAddressError, match="no file"):
        opened("https://127.0.0.1:1", ca=str(tmp_path / "other.pem"))


def test_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreAddressError, match=r"in which region\? Add \?region="):
        open_store("aws:proxy/")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    open_store("aws:proxy/").close()


def test_an_arns_region_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    open_store("aws:arn:aws:secretsmanager:eu-west-1:123456789012:secret:tokens-AbCdEf").close()


def test_a_profile(
    service: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(StoreAddressError, match="no AWS profile work"):
        open_store("aws:work||proxy/")
    credentials = tmp_path / "credentials"
    credentials.write_text("[work]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    service.answer = (400, {"__type": "ResourceNotFoundException"})
    with caplog.at_level(logging.INFO):
        assert opened(service.url, "work||proxy/").load(ADA) is None
    assert "aws:work||proxy/: AWS credentials from shared-credentials-file (profile work), region" in caplog.text


def test_no_credentials_now_but_later(service: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = opened(service.url)
    with pytest.raises(StoreDeniedError, match="there are no AWS credentials"):
        store.load(ADA)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    service.answer = (400, {"__type": "ResourceNotFoundException"})
    assert store.load(ADA) is None


def test_used_again_after_closing(service: Answers) -> None:
    service.answer = (400, {"__type": "ResourceNotFoundException"})
    store = opened(service.url)
    assert store.load(ADA) is None
    store.close()
    store.close()
    assert store.load(ADA) is None


def test_the_list_goes_over_all_pages(service: Answers) -> None:
    labelled = {"v": ["AWSCURRENT"]}
    service.pages = [
        {"SecretList": [{"Name": "proxy/b@example.com"}, {"Name": "other/x"}], "NextToken": "more"},
        {"SecretList": [{"Name": f"proxy/{ADA}", "SecretVersionsToStages": labelled}], "NextToken": "last"},
        {"SecretList": [{"Name": "proxy/empty@example.com", "SecretVersionsToStages": {}}]},
    ]
    assert opened(service.url).accounts() == [ADA, "b@example.com"]
    assert [asked.get("NextToken") for _, asked in service.asked] == [None, "more", "last"]
