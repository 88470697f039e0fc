"""How is a token requested over HTTP? One shared pool of connections, a deadline, one retry, a bounded answer.

authlib builds the requests (client authentication, grant parameters); this module carries them and decides what an
answer is: a `TokenResponse` or a `TokenEndpointError`. Proxies (``https_proxy``, ``http_proxy``, ``no_proxy``) and
``SSL_CERT_FILE`` are taken from the environment. Redirects are never followed: a request with credentials goes where
the configuration says or nowhere.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeGuard, TypeVar
from urllib.parse import urlencode

import httpx2
import trio
from authlib.integrations.httpx_client import AsyncOAuth2Client

from emailproxy import __version__
from emailproxy.assertions.base import Statement
from emailproxy.oauth.counting import OK, UNANSWERED, TokenRequests
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.refusals import DEVICE_ENDPOINT, TokenEndpointError, from_answer
from emailproxy.secret import MASK, Secret

__all__ = ["ClientCredentials", "TokenEndpoint", "TokenResponse", "open_endpoint", "reason"]

REQUEST_SECONDS: Final = 30.0
"""One request, from connecting to the last octet: token endpoints answer within one second, or are down."""
RETRY_SECONDS: Final = 1.0
"""Pause before the one retry: long enough for a load balancer to notice a dead server."""
MAX_ANSWER: Final = 1024 * 1024
"""Octets of an answer: a token pair of Microsoft has 10 KB; more than a hundred times that is not a token."""
DEFAULT_EXPIRES_IN: Final = 3600
"""Seconds a token is taken to live if the answer does not say: what all large providers use."""
LEAST_MASKED: Final = 6
"""Characters of a credential that make a quotation of it recognisable: a shorter one is found in any sentence."""
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523 section 2.2."""
CREDENTIALS: Final = ("password", "code", "code_verifier", "device_code", "assertion")
"""Parameters of a grant that nobody may read in a log."""
MAX_EXPIRES_IN: Final = 10 * 366 * 86400
"""Ten years: beyond it the figure is a mistake, and no date arithmetic overflows."""


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What the provider granted."""

    access_token: Secret
    refresh_token: Secret | None
    """None: the old one, if any, goes on."""
    expires_in: int
    refresh_expires_in: int | None = None
    """Seconds after which the refresh token ends, where the provider says so (Google, for instance)."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """How we identify ourselves to the provider: an id, and for a confidential client a secret or an assertion."""

    client_id: str
    client_secret: Secret | None = None
    assertion: Callable[[Statement], Awaitable[Secret]] | None = field(default=None, repr=False, compare=False)
    """Makes a signed statement for one request, in place of the secret. Raises TokenEndpointError."""
    audience: str = field(default="", compare=False)
    """For whom the assertion is."""
    renewed: Callable[[], Awaitable[ClientCredentials | None]] | None = field(default=None, repr=False, compare=False)
    """Asked once for other credentials when the provider does not accept these."""


T = TypeVar("T")

_Ask = Callable[[Any, dict[str, str]], Awaitable[None]]
"""Sends one request with an authlib client and these headers."""
_Read = Callable[[httpx2.Response, list[str]], T]
"""Judges an answer, whose words must not quote these secrets. Raises TokenEndpointError."""


class TokenEndpoint:
    """Asks token endpoints for tokens. Made by `open_endpoint`; shared by all accounts.

    Attributes:
        requests: what came of those so far.
    """

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self._transport = transport
        self.requests = TokenRequests()
        self._under_way = 0
        self._waiting = trio.lowlevel.ParkingLot()

    async def quiet(self) -> None:
        """Wait until no request is under way."""
        while self._under_way:
            await self._waiting.park()

    async def grant(
        self, url: str, client: ClientCredentials, grant_type: str, parameters: Mapping[str, str]
    ) -> TokenResponse:
        """Ask for a token by `grant_type`.

        Raises:
            TokenEndpointError: refused, or no usable answer in two attempts.
        """

        async def ask(session: Any, headers: dict[str, str]) -> None:
            await session.fetch_token(url, grant_type=grant_type, headers=headers, **parameters)

        secrets = [parameters.get(name, "") for name in CREDENTIALS]
        return await self._answered(grant_type, client, ask, secrets, _read)

    async def device_authorization(
        self, url: str, client: ClientCredentials, parameters: Mapping[str, str]
    ) -> Mapping[str, object]:
        """Ask for a device code (RFC 8628 section 3.1); the answer's fields, which the caller judges.

        Raises:
            TokenEndpointError: refused, or no usable answer in two attempts.
        """

        async def ask(session: Any, headers: dict[str, str]) -> None:
            auth = session.client_auth(session.token_endpoint_auth_method)
            answer = await session.post(url, data=dict(parameters), headers=headers, auth=auth)
            for hook in session.compliance_hook["access_token_response"]:
                hook(answer)

        return await self._answered("device_authorization", client, ask, [], _read_device)

    async def refresh(self, url: str, client: ClientCredentials, refresh_token: Secret) -> TokenResponse:
        """Ask for a new access token (RFC 6749 section 6), with the scope that was granted.

        Raises:
            TokenEndpointError: refused, or no usable answer in two attempts.
        """

        async def ask(session: Any, headers: dict[str, str]) -> None:
            await session.refresh_token(url, refresh_token=refresh_token.reveal(), headers=headers)

        return await self._answered("refresh_token", client, ask, [refresh_token.reveal()], _read)

    async def _answered(
        self, grant: str, client: ClientCredentials, ask: _Ask, secrets: list[str], read: _Read[T]
    ) -> T:
        self._under_way += 1
        try:
            try:
                return await self._patiently(grant, client, ask, secrets, read)
            except TokenEndpointError as error:
                if error.code != "invalid_client" or client.renewed is None:
                    raise
                other = await client.renewed()
                if other is None:
                    raise
            # Whoever authenticates in vain has not used up a code or a refresh token (RFC 6749 section 5.2).
            return await self._patiently(grant, other, ask, secrets, read)
        finally:
            self._under_way -= 1
            self._waiting.unpark_all()

    async def _patiently(
        self, grant: str, client: ClientCredentials, ask: _Ask, secrets: list[str], read: _Read[T]
    ) -> T:
        try:
            return await self._counted(grant, client, ask, secrets, read)
        except TokenEndpointError as error:
            if not error.retry:
                raise
        await trio.sleep(RETRY_SECONDS)
        return await self._counted(grant, client, ask, secrets, read)

    async def _counted(self, grant: str, client: ClientCredentials, ask: _Ask, secrets: list[str], read: _Read[T]) -> T:
        began, code = trio.current_time(), UNANSWERED
        try:
            response = await self._once(client, ask, secrets, read)
            code = OK
        except TokenEndpointError as error:
            code = error.code or UNANSWERED
            raise
        else:
            return response
        finally:
            self.requests.note(grant, code, trio.current_time() - began)

    async def _once(self, client: ClientCredentials, ask: _Ask, secrets: list[str], read: _Read[T]) -> T:
        granted: list[T] = []
        identity = {"client_id": client.client_id} if client.client_id else {}
        if client.assertion is not None:
            assertion = await client.assertion(Statement(client.audience))
            identity |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion.reveal()}
            secrets = [assertion.reveal(), *secrets]
        elif client.client_secret:
            identity["client_secret"] = client.client_secret.reveal()
            secrets = [client.client_secret.reveal(), *secrets]

        def judge(answer: httpx2.Response) -> httpx2.Response:
            granted.append(read(answer, secrets))
            # authlib parses what the hook returns; it needs to see no more than that this went well.
            return httpx2.Response(200, json={"access_token": "seen"})

        # One authlib client per request: it keeps the last token in itself. It costs nothing, the pool is shared.
        session = AsyncOAuth2Client(
            client_id=client.client_id,
            token_endpoint_auth_method=partial(_identify, identity),
            transport=self._transport,
            trust_env=False,
            timeout=None,  # the deadline is the scope below
            follow_redirects=False,
        )
        session.register_compliance_hook("access_token_response", judge)
        session.register_compliance_hook("refresh_token_response", judge)
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": f"emailproxy/{__version__}",
        }
        try:
            with trio.fail_after(REQUEST_SECONDS):
                await ask(session, headers)
        except trio.TooSlowError:
            raise TokenEndpointError.unreachable(f"no answer within {REQUEST_SECONDS:g} seconds") from None
        except httpx2.UnsupportedProtocol as error:
            raise TokenEndpointError.misconfigured(f"token_url cannot be used: {foreign(error)}") from None
        except httpx2.TransportError as error:
            raise TokenEndpointError.unreachable(f"{type(error).__name__}: {foreign(reason(error))}") from None
        except (httpx2.InvalidURL, UnicodeError) as error:
            # Not `from error`: a UnicodeError shows the text, which may be a password.
            raise TokenEndpointError.misconfigured(
                f"the token request cannot be built from this configuration ({type(error).__name__})"
            ) from None
        return granted[0]


def _identify(
    identity: Mapping[str, str],
    client: Any,  # noqa: ARG001 - authlib's signature
    method: str,  # noqa: ARG001
    uri: str,
    headers: Any,
    body: bytes,
) -> tuple[str, Any, bytes]:
    """Add who we are to a request's form: id and secret (RFC 6749 section 2.3.1), id and assertion, or the id alone.

    In the form, not in a header, as the classic proxy did: every registration that works there works here. authlib's
    own way of adding them fails on forms with other than ASCII characters (1.9: passwords, user names).
    """
    return uri, headers, body + b"&" + urlencode(identity).encode("ascii") if identity else body


def reason(error: BaseException) -> str:
    """The words at the bottom of `error`: of a failed TLS handshake, httpx and anyio hand on only the class."""
    words, seen = "", 0
    cause: BaseException | None = error
    while cause is not None and seen < 8:
        words = str(cause) or words
        cause, seen = cause.__cause__ or cause.__context__, seen + 1
    return words


def _read(answer: httpx2.Response, secrets: list[str]) -> TokenResponse:
    """Tell a grant from a refusal (RFC 6749 sections 5.1 and 5.2), whose words must not quote `secrets`."""
    fields = _fields(answer)
    access_token = fields.get("access_token") if fields is not None else None
    given = fields.get("refresh_token") if fields is not None else None
    refresh_token = given if isinstance(given, str) and given else None
    if (
        not answer.is_success
        or fields is None
        or not _is_token(access_token)
        or not (refresh_token is None or _is_token(refresh_token))
    ):
        raise from_answer(answer.status_code, _told(fields, secrets))
    return TokenResponse(
        Secret(access_token),
        Secret(refresh_token) if refresh_token is not None else None,
        _expires_in(fields.get("expires_in")),
        _known_end(fields.get("refresh_token_expires_in")),
    )


def _read_device(answer: httpx2.Response, secrets: list[str]) -> Mapping[str, object]:
    """The fields of a device authorisation response (RFC 8628 section 3.2), or the refusal."""
    fields = _fields(answer)
    if not answer.is_success or fields is None or not _is_token(fields.get("device_code")):
        raise from_answer(answer.status_code, _told(fields, secrets), DEVICE_ENDPOINT)
    return fields


def _fields(answer: httpx2.Response) -> dict[str, object] | None:
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        body = None
    return body if isinstance(body, dict) else None


def _told(fields: dict[str, object] | None, secrets: list[str]) -> dict[str, object] | None:
    return {name: _masked(value, secrets) for name, value in fields.items()} if fields is not None else None


def _is_token(value: object) -> TypeGuard[str]:
    """Whether `value` is a token of RFC 6749 (appendix A.12: printable ASCII): all else ends a line or a field."""
    return isinstance(value, str) and bool(value) and value.isascii() and value.isprintable()


def _masked(value: object, secrets: list[str]) -> object:
    """`value` without what we sent: some endpoints quote what they did not like."""
    if isinstance(value, str):
        for secret in secrets:
            if len(secret) >= LEAST_MASKED:
                value = value.replace(secret, MASK)
    return value


def _expires_in(value: object) -> int:
    """Seconds as the provider meant them: a number, a number in quotes (21Vianet), or nothing."""
    if isinstance(value, str | int | float):
        try:
            seconds = int(float(value))
        except (ValueError, OverflowError):
            return DEFAULT_EXPIRES_IN
        return min(seconds, MAX_EXPIRES_IN) if seconds > 0 else DEFAULT_EXPIRES_IN
    return DEFAULT_EXPIRES_IN


def _known_end(value: object) -> int | None:
    """Seconds until a refresh token ends; None where nothing is said, or nothing that can be meant."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = int(float(value))
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds <= MAX_EXPIRES_IN else None


class _BoundedTransport(httpx2.AsyncBaseTransport):
    """Lends one client's pool and proxy rules to many short-lived clients, and cuts answers off at `MAX_ANSWER`."""

    def __init__(self, pool: httpx2.AsyncClient) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._pool.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                # We asked for none; unpacking what we did not ask for could fill the memory.
                raise TokenEndpointError.unreachable("the answer is compressed, which was not asked for")
            content = bytearray()
            if answer.is_closed:  # a transport in memory gives answers that are read already
                content += answer.content
            else:
                with trio.CancelScope() as reading:
                    async for part in answer.aiter_raw():
                        content += part
                        if len(content) > MAX_ANSWER:
                            # Ends the read from within: to leave the loop would leave its generators half done.
                            reading.cancel()
                if len(content) > MAX_ANSWER:
                    raise TokenEndpointError.unreachable(f"the answer has more than {MAX_ANSWER} octets")
        finally:
            await answer.aclose()
            # Accounts share the pool, but no cookie.
            self._pool.cookies.clear()
        return httpx2.Response(answer.status_code, content=bytes(content), request=request)


@asynccontextmanager
async def open_endpoint(
    *, transport: httpx2.AsyncBaseTransport | None = None, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[TokenEndpoint]:
    """Open the pool; closing it closes all connections.

    Args:
        transport: carries the requests instead of the network.
        ssl_context: verifies providers; by default the system's authorities, or those of ``SSL_CERT_FILE``.
    """
    async with httpx2.AsyncClient(
        transport=transport, verify=ssl_context or True, trust_env=True, timeout=None, follow_redirects=False
    ) as pool:
        yield TokenEndpoint(_BoundedTransport(pool))
