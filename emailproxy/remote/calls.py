"""How is a running proxy asked for something? One HTTP request with its token, one JSON answer."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import trio

from emailproxy.console.messages import MAX_MESSAGE, MessageError, Snapshot, snapshot_in
from emailproxy.oauth.foreign import foreign
from emailproxy.remote.errors import AnswerError, LostError, NotRunningError, RefusedError, RemoteError
from emailproxy.remote.place import ConsolePlace

__all__ = ["ANSWER_SECONDS", "ask", "snapshot"]

ANSWER_SECONDS: Final = 120.0
"""For an answer: the proxy's own patience with a provider is 90 s. Connecting is part of it."""


async def ask(place: ConsolePlace, path: str, fields: Mapping[str, object] | None = None) -> Mapping[str, Any]:
    """The answer to ``POST path`` with `fields`.

    Raises:
        NotRunningError: nobody answers.
        RefusedError: the token is not accepted.
        AnswerError: the proxy says no.
        RemoteError: this is no console.
    """
    response = await _exchange(place, "POST", path, dict(fields or {}))
    answer = _object(place, response)
    if response.is_success and answer.get("ok") is True:
        return answer
    error = answer.get("error")
    raise AnswerError(
        foreign(error if isinstance(error, str) else f"HTTP status {response.status_code}", 4096),
        response.status_code,
        answer,
    )


async def snapshot(place: ConsolePlace) -> Snapshot:
    """Everything that is so now. Raises as `ask`."""
    response = await _exchange(place, "GET", "/api/snapshot", None)
    answer = _object(place, response)
    if not response.is_success:
        raise RemoteError(f"{place} is no console of an emailproxy (HTTP status {response.status_code})")
    try:
        return snapshot_in(answer)
    except MessageError as error:
        raise RemoteError(f"{place} is no console of this version: {error}") from None


async def _exchange(
    place: ConsolePlace, method: str, path: str, document: Mapping[str, object] | None
) -> httpx2.Response:
    # Neither a proxy of the environment nor a redirect may get the token.
    transport = httpx2.AsyncHTTPTransport(
        verify=place.tls if place.tls is not None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        trust_env=False,
        uds=str(place.path) if place.path is not None else None,
    )
    async with httpx2.AsyncClient(
        transport=transport, trust_env=False, timeout=None, follow_redirects=False, max_redirects=0
    ) as client:
        headers = {"Authorization": f"Bearer {place.token.reveal()}"}
        with trio.move_on_after(ANSWER_SECONDS) as patience:
            try:
                response = await client.request(method, place.url + path, headers=headers, json=document)
            except httpx2.ConnectError as error:
                raise NotRunningError(f"no proxy answers at {place}: {foreign(error)}") from None
            except httpx2.HTTPError as error:
                raise LostError(f"{place}: {foreign(error) or type(error).__name__}") from None
        if patience.cancelled_caught:
            raise RemoteError(f"{place} has not answered within {ANSWER_SECONDS:g} s")
    if response.status_code == httpx2.codes.UNAUTHORIZED:
        raise RefusedError(f"{place} does not accept our token; it may be another proxy's console")
    return response


def _object(place: ConsolePlace, response: httpx2.Response) -> Mapping[str, Any]:
    try:
        answer = response.json() if len(response.content) <= MAX_MESSAGE else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise RemoteError(f"{place} is no console of an emailproxy (HTTP status {response.status_code})")
    return answer
