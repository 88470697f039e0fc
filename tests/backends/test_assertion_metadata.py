"""The requests to metadata services, parameter by parameter, and what each answer becomes."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from emailproxy.assertions.base import Statement
from emailproxy.store.base import StoreAddressError, StoreContentError, StoreDeniedError, StoreUnavailableError
from emailproxy_backends.assertion_azure import ManagedIdentityIssuer
from emailproxy_backends.assertion_gcp import MetadataIssuer
from emailproxy_backends.metadata import Metadata
from tests.assertions.fakes import jwt

IDENTITY = "01234567-89ab-cdef-0123-456789abcdef"
EXCHANGE = Statement("api://AzureADTokenExchange")
GOOGLE = {"Metadata-Flavor": "Google"}


class Service:
    """Answers, one by one, the last one for ever; remembers the requests and the pauses."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def metadata(self) -> Metadata:
        return Metadata("the service", transport=httpx2.MockTransport(self), sleep=self.pauses.append)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "GCE_METADATA_HOST"):
        monkeypatch.delenv(name, raising=False)


def token(text: str | None = None) -> httpx2.Response:
    return httpx2.Response(200, json={"access_token": text or jwt(sub="identity"), "token_type": "Bearer"})


def sent(service: Service) -> tuple[str, dict[str, str], httpx2.Headers]:
    request = service.requests[-1]
    assert request.method == "GET"
    return str(request.url.copy_with(query=None)), dict(request.url.params), request.headers


@pytest.mark.parametrize(
    "audience", ["api://AzureADTokenExchange", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeChina"]
)
def test_a_virtual_machine_of_azure(audience: str) -> None:
    service = Service(token())
    assert ManagedIdentityIssuer(service.metadata).issue(IDENTITY, Statement(audience)).reveal() == jwt(sub="identity")
    url, parameters, headers = sent(service)
    assert url == "http://169.254.169.254/metadata/identity/oauth2/token"
    assert parameters == {"api-version": "2018-02-01", "resource": audience, "client_id": IDENTITY}
    assert headers["Metadata"] == "true"


def test_the_only_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:4/")
    service = Service(token())
    ManagedIdentityIssuer(service.metadata).issue("", EXCHANGE)
    url, parameters, _ = sent(service)
    assert url == "http://127.0.0.1:4/metadata/identity/oauth2/token"
    assert "client_id" not in parameters


def test_an_app_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "853b9a84")
    service = Service(token())
    ManagedIdentityIssuer(service.metadata).issue(IDENTITY, EXCHANGE)
    url, parameters, headers = sent(service)
    assert url == "http://127.0.0.1:41741/msi/token"
    assert parameters == {
        "api-version": "2019-08-01",
        "resource": "api://AzureADTokenExchange",
        "client_id": IDENTITY,
    }
    assert headers["X-IDENTITY-HEADER"] == "853b9a84"
    assert "Metadata" not in headers


@pytest.mark.parametrize("account", ["", "mail@project.iam.gserviceaccount.com"])
def test_a_machine_of_google(account: str) -> None:
    service = Service(httpx2.Response(200, headers=GOOGLE, text=f"{jwt(sub='1234')}\n"))
    assert MetadataIssuer(service.metadata).issue(account, EXCHANGE).reveal() == jwt(sub="1234")
    url, parameters, headers = sent(service)
    place = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts"
    assert url == f"{place}/{account or 'default'}/identity"
    assert parameters == {"audience": "api://AzureADTokenExchange", "format": "full"}
    assert headers["Metadata-Flavor"] == "Google"


def test_another_place_of_the_metadata_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:5")
    service = Service(httpx2.Response(200, headers=GOOGLE, text=jwt()))
    MetadataIssuer(service.metadata).issue("", EXCHANGE)
    assert sent(service)[0].startswith("http://127.0.0.1:5/")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (httpx2.Response(400, json={"error": "invalid_request"}), StoreDeniedError, "HTTP 400, invalid_request"),
        (httpx2.Response(400, json={"error": "forged\nline"}), StoreDeniedError, r"\(HTTP 400\)"),
        (httpx2.Response(200, json={"token": "x"}), StoreContentError, "no access_token"),
        (httpx2.Response(200, text="<html>"), StoreContentError, "no access_token"),
        (httpx2.Response(200, text="[" * 60_000), StoreContentError, "no access_token"),
        (httpx2.Response(200, text="x" * 100_000), StoreContentError, "more than"),
        (httpx2.Response(302, headers={"Location": "http://evil.test/"}), StoreDeniedError, "HTTP 302"),
        (httpx2.Response(404), StoreUnavailableError, r"HTTP 404\); does this run in Azure"),
        (httpx2.ConnectError("no route"), StoreUnavailableError, "cannot be reached .ConnectError."),
    ],
)
def test_what_azure_may_answer(answer: httpx2.Response | Exception, error: type[Exception], said: str) -> None:
    service = Service(answer)
    with pytest.raises(error, match=said):
        ManagedIdentityIssuer(service.metadata).issue("", EXCHANGE)
    assert all("evil" not in str(request.url) for request in service.requests)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (httpx2.Response(200, text=jwt()), StoreContentError, "no metadata server"),
        (httpx2.Response(403, headers=GOOGLE), StoreDeniedError, "HTTP 403.*attach a service account"),
        (httpx2.Response(503, headers=GOOGLE), StoreUnavailableError, "HTTP 503"),
        (httpx2.ReadTimeout("slow"), StoreUnavailableError, "ReadTimeout"),
    ],
)
def test_what_google_may_answer(answer: httpx2.Response | Exception, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        MetadataIssuer(Service(answer).metadata).issue("", EXCHANGE)


def test_a_machine_that_starts() -> None:
    service = Service(httpx2.ConnectError("not yet"), httpx2.Response(429), token())
    ManagedIdentityIssuer(service.metadata).issue("", EXCHANGE)
    assert (len(service.requests), service.pauses) == (3, [0.3, 1.0])


def test_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would answer for its own machine, if at all."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:2")
    issuer = ManagedIdentityIssuer(Metadata("the service", sleep=lambda _: None))
    assert issuer._metadata._client._trust_env is False
    issuer.close()


@pytest.mark.parametrize(
    ("issuer", "rest", "said"),
    [
        (ManagedIdentityIssuer, "mail-identity", "write managed-identity:CLIENT_ID"),
        (ManagedIdentityIssuer, f"{IDENTITY}&resource=x", "write managed-identity:CLIENT_ID"),
        (MetadataIssuer, "../../project/attributes", "write gcp or gcp:NAME"),
        (MetadataIssuer, "a?b", "write gcp or gcp:NAME"),
    ],
)
def test_addresses(issuer: Callable[[], ManagedIdentityIssuer | MetadataIssuer], rest: str, said: str) -> None:
    one = issuer()
    with pytest.raises(StoreAddressError, match=said):
        one.check(rest)
    with pytest.raises(StoreAddressError, match=said):
        one.issue(rest, EXCHANGE)
    one.close()
    one.close()
