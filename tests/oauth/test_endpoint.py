"""Against a real HTTP server on loopback where the network matters, else against a transport in memory."""

from __future__ import annotations

import contextlib
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio
import trustme

from emailproxy.oauth import endpoint as module
from emailproxy.oauth.endpoint import ClientCredentials, TokenEndpoint, TokenResponse, open_endpoint
from emailproxy.oauth.refusals import Meaning, TokenEndpointError
from emailproxy.secret import Secret
from tests.clocks import PatientClock

from .support import Provider, grant, refusal

URL = "https://provider.test/token"
CONFIDENTIAL = ClientCredentials("the id", Secret("cs-1"))
PUBLIC = ClientCredentials("the id")


async def ask(
    *answers: object, client: ClientCredentials = PUBLIC, **parameters: str
) -> tuple[TokenResponse, Provider]:
    provider = Provider(*answers)  # type: ignore[arg-type]
    async with open_endpoint(transport=provider) as endpoint:
        return await endpoint.grant(URL, client, "password", parameters or {"scope": "mail"}), provider


async def refused(*answers: object) -> tuple[TokenEndpointError, Provider]:
    provider = Provider(*answers)  # type: ignore[arg-type]
    async with open_endpoint(transport=provider) as endpoint:
        with pytest.raises(TokenEndpointError) as caught:
            await endpoint.refresh(URL, CONFIDENTIAL, Secret("rt-1"))
    assert "cs-1" not in str(caught.value)
    assert "rt-1" not in str(caught.value)
    return caught.value, provider


async def test_a_grant() -> None:
    response, provider = await ask(grant("abc", "def"), client=CONFIDENTIAL, scope="a b", username="ä&=ö")
    assert response == TokenResponse(Secret("abc"), Secret("def"), 3600)
    assert provider.requests == [
        {
            "grant_type": "password",
            "scope": "a b",
            "username": "ä&=ö",
            "client_id": "the id",
            "client_secret": "cs-1",
        }
    ]
    assert provider.heads[0]["Accept-Encoding"] == "identity"
    assert provider.heads[0]["User-Agent"].startswith("emailproxy/")
    assert "Authorization" not in provider.heads[0]
    assert "cs-1" not in repr(CONFIDENTIAL)


async def test_a_public_client_sends_only_its_id() -> None:
    _, provider = await ask(grant())
    assert provider.requests == [{"grant_type": "password", "scope": "mail", "client_id": "the id"}]


async def test_a_refresh_names_no_scope() -> None:
    provider = Provider(grant("abc"))
    async with open_endpoint(transport=provider) as endpoint:
        response = await endpoint.refresh(URL, PUBLIC, Secret("old"))
    assert response == TokenResponse(Secret("abc"), None, 3600)
    assert provider.requests == [{"grant_type": "refresh_token", "refresh_token": "old", "client_id": "the id"}]


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (3599, 3599),
        ("3599", 3599),
        ("3599.0", 3599),
        (3599.9, 3599),
        (None, 3600),
        ("soon", 3600),
        ("", 3600),
        (0, 3600),
        (-5, 3600),
        (10**20, module.MAX_EXPIRES_IN),
        ("1e999", 3600),
        ([], 3600),
        (float("nan"), 3600),
    ],
)
async def test_expires_in(sent: object, meant: int) -> None:
    body = {"access_token": "abc", "expires_in": sent}
    import json

    response, _ = await ask(httpx2.Response(200, content=json.dumps(body).encode()))
    assert response.expires_in == meant


async def test_expires_in_missing() -> None:
    response, _ = await ask(httpx2.Response(200, json={"access_token": "abc"}))
    assert response.expires_in == 3600


@pytest.mark.parametrize(
    "first",
    [
        httpx2.Response(500, json={"error": "server_error"}),
        httpx2.Response(503, content=b"<html>"),
        httpx2.Response(200, content=b"<html>portal</html>"),
        httpx2.ConnectError("refused"),
        httpx2.ReadError("reset"),
        httpx2.RemoteProtocolError("nonsense"),
    ],
)
async def test_one_retry(first: object, autojump_clock: PatientClock) -> None:
    provider = Provider(first, grant("abc"))  # type: ignore[arg-type]
    async with open_endpoint(transport=provider) as endpoint:
        response = await endpoint.grant(URL, PUBLIC, "password", {})
    assert response.access_token == Secret("abc")
    assert len(provider.requests) == 2


async def test_only_one_retry(autojump_clock: PatientClock) -> None:
    error, provider = await refused(httpx2.ConnectError("no"), httpx2.Response(502))
    assert error.meaning is Meaning.TEMPORARY
    assert len(provider.requests) == 2


async def test_a_refusal_is_not_retried() -> None:
    error, provider = await refused(refusal("invalid_grant", error_description="gone"))
    assert (error.meaning, error.code) == (Meaning.PERMANENT, "invalid_grant")
    assert len(provider.requests) == 1


async def test_silence_is_temporary_after_two_deadlines(autojump_clock: PatientClock) -> None:
    async def silent(form: dict[str, str]) -> httpx2.Response:
        await trio.sleep_forever()
        raise AssertionError

    started = trio.current_time()
    error, _ = await refused(silent, silent)
    assert error.meaning is Meaning.TEMPORARY
    assert trio.current_time() - started == pytest.approx(61)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{",
        b"<html>",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"access_token": ""}',
        b'{"access_token": "\\ud800"}',
        b'{"access_token": "a\\u0001auth=Bearer b"}',
        b'{"access_token": "a", "refresh_token": "\\udfff"}',
    ],
)
async def test_answers_that_are_no_token(body: bytes, autojump_clock: PatientClock) -> None:
    error, _ = await refused(httpx2.Response(200, content=body), httpx2.Response(200, content=body))
    assert error.meaning is Meaning.TEMPORARY


async def test_what_an_endpoint_quotes_of_our_secrets_is_masked() -> None:
    told = "client_secret 'cs-12345' and token 'rt-12345' and code 'code-1' do not match"
    async with open_endpoint(
        transport=Provider(refusal(error_description=told), refusal(error_description=told))
    ) as endpoint:
        client = ClientCredentials("the id", Secret("cs-12345"))
        with pytest.raises(TokenEndpointError, match=r"'\[secret\]' and token '\[secret\]' and code 'code-1' do not"):
            await endpoint.refresh(URL, client, Secret("rt-12345"))
        with pytest.raises(TokenEndpointError, match=r"'\[secret\]' and token 'rt-12345' and code '\[secret\]' do not"):
            await endpoint.grant(URL, client, "authorization_code", {"code": "code-1"})


async def test_a_redirect_is_not_followed() -> None:
    error, provider = await refused(httpx2.Response(307, headers={"Location": "https://elsewhere.test/"}))
    assert error.meaning is Meaning.MISCONFIGURED
    assert len(provider.requests) == 1


async def test_a_huge_answer_is_cut_off(autojump_clock: PatientClock) -> None:
    sent = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            await trio.lowlevel.checkpoint()
            yield b" " * 65536

    error, _ = await refused(httpx2.Response(200, content=parts()), httpx2.Response(200, content=parts()))
    assert error.meaning is Meaning.TEMPORARY
    assert sent < 3 * module.MAX_ANSWER


async def test_a_compressed_answer_is_not_unpacked(autojump_clock: PatientClock) -> None:
    def bomb() -> httpx2.Response:
        async def parts() -> AsyncIterator[bytes]:
            yield gzip.compress(b" " * 10_000_000)

        return httpx2.Response(200, headers={"Content-Encoding": "gzip"}, content=parts())

    error, _ = await refused(bomb(), bomb())
    assert error.meaning is Meaning.TEMPORARY
    assert "compressed" in str(error)


async def test_an_address_that_cannot_be_used_is_a_configuration_error() -> None:
    async with open_endpoint() as endpoint:
        for url in ("ftp://x.test/", "no address", "http:///token"):
            with pytest.raises(TokenEndpointError) as caught:
                await endpoint.grant(url, PUBLIC, "password", {})
            assert caught.value.meaning is Meaning.MISCONFIGURED


async def test_no_cookie_goes_from_one_account_to_another() -> None:
    with_cookie = httpx2.Response(200, json={"access_token": "a"}, headers={"Set-Cookie": "session=1"})
    provider = Provider(with_cookie, grant())
    async with open_endpoint(transport=provider) as endpoint:
        await endpoint.grant(URL, PUBLIC, "password", {})
        await endpoint.grant(URL, PUBLIC, "password", {})
    assert "Cookie" not in provider.heads[1]


# --- on a real network ------------------------------------------------------------------------------------------------

Handler = Callable[[trio.abc.Stream, bytes], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that reads one head and lets `handler` answer."""

    async def visit(raw: trio.SocketStream) -> None:
        stream = raw if tls is None else trio.SSLStream(raw, tls, server_side=True)
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                part = await stream.receive_some(65536)
                if not part:
                    return
                head += part
            await handler(stream, head)
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, visit, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def answering(body: bytes, status: str = "200 OK") -> Handler:
    async def answer(stream: trio.abc.Stream, head: bytes) -> None:
        start = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        await stream.send_all(start + body)

    return answer


async def once(endpoint: TokenEndpoint, url: str) -> TokenResponse:
    return await endpoint.grant(url, PUBLIC, "password", {})


async def test_over_a_socket() -> None:
    async with server(answering(b'{"access_token": "abc", "expires_in": "100"}')) as port, open_endpoint() as endpoint:
        assert await once(endpoint, f"http://127.0.0.1:{port}/token") == TokenResponse(Secret("abc"), None, 100)


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    async with server(answering(b"")) as port:
        pass
    async with open_endpoint() as endpoint:
        with pytest.raises(TokenEndpointError) as caught:
            await once(endpoint, f"http://127.0.0.1:{port}/")
    assert caught.value.meaning is Meaning.TEMPORARY


async def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = b""

    async def proxy(stream: trio.abc.Stream, head: bytes) -> None:
        nonlocal seen
        seen = head
        await answering(b'{"access_token": "by proxy"}')(stream, head)

    async with server(proxy) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with open_endpoint() as endpoint:
            response = await once(endpoint, "http://provider.test/token")
    assert response.access_token == Secret("by proxy")
    assert seen.startswith(b"POST http://provider.test/token HTTP/1.1\r\n")


async def test_the_environments_authorities_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with server(answering(b'{"access_token": "by tls"}'), context) as port:
        url = f"https://localhost:{port}/token"
        async with open_endpoint() as endpoint:
            with pytest.raises(TokenEndpointError, match="CERTIFICATE_VERIFY_FAILED"):
                await once(endpoint, url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with open_endpoint() as endpoint:
            assert (await once(endpoint, url)).access_token == Secret("by tls")


async def test_a_huge_answer_over_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)

    async def endless(stream: trio.abc.Stream, head: bytes) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            await stream.send_all(b" " * 65536)

    async with server(endless) as port, open_endpoint() as endpoint:
        with pytest.raises(TokenEndpointError, match="more than"):
            await once(endpoint, f"http://127.0.0.1:{port}/")


async def test_an_answer_that_stalls_over_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0)
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.1)

    async def stalling(stream: trio.abc.Stream, head: bytes) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await trio.sleep_forever()

    async with server(stalling) as port, open_endpoint() as endpoint:
        with pytest.raises(TokenEndpointError, match="no answer within"):
            await once(endpoint, f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (604799, 604799),
        ("604799", 604799),
        (None, None),
        (0, None),
        (-1, None),
        ("soon", None),
        (1e300, None),
        (True, None),
    ],
)
async def test_the_known_end_of_a_refresh_token(told: object, known: int | None) -> None:
    fields = {"access_token": "at", "expires_in": 3600, "refresh_token_expires_in": told}
    response, _ = await ask(httpx2.Response(200, json=fields))
    assert response.refresh_expires_in == known


async def test_requests_are_counted_by_what_came_of_them(autojump_clock: PatientClock) -> None:
    provider = Provider(grant(), refusal("invalid_grant"), httpx2.Response(503), grant(), refusal("of_our_own_making"))
    async with open_endpoint(transport=provider) as endpoint:
        await endpoint.refresh(URL, PUBLIC, Secret("rt-1"))
        for _ in range(3):
            with contextlib.suppress(TokenEndpointError):  # the second and the last; the 503 is tried again
                await endpoint.grant(URL, PUBLIC, "urn:ietf:params:oauth:grant-type:device_code", {})
    assert endpoint.requests.answers == {
        ("refresh_token", "ok"): 1,
        ("device_code", "invalid_grant"): 1,
        ("device_code", "unanswered"): 1,
        ("device_code", "ok"): 1,
        ("device_code", "other"): 1,
    }
