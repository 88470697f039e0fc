"""What does the OAuth server answer? Authorization and token endpoint (RFC 6749), and a small control endpoint."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import html
import json
import urllib.parse
from collections.abc import Collection
from typing import Final

import trio

from emailproxy.testing.provider.http import HangUp, Request, Response
from emailproxy.testing.provider.switches import Counters, Switches
from emailproxy.testing.provider.tokens import Authorization, GrantError, TokenIssuer

__all__ = ["AUTHORIZATION_PATH", "CONTROL_PATH", "TOKEN_PATH", "OAuthServer"]

AUTHORIZATION_PATH: Final = "/authorize"
TOKEN_PATH: Final = "/token"  # noqa: S105 - a path
CONTROL_PATH: Final = "/control"

CONSENT_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Simulated provider</title>
<style>body{{font:16px system-ui;max-width:28em;margin:4em auto}}button{{font:inherit;padding:.5em 1em}}</style></head>
<body><h1>Simulated provider</h1>
<p><b>{client}</b> asks for access to the mail of <b>{user}</b>.</p>
<form method="post" action="?{query}"><button name="consent" value="yes">Allow</button>
<button name="consent" value="no">Deny</button></form></body></html>
"""


class OAuthServer:
    """The HTTP side of the provider."""

    def __init__(self, issuer: TokenIssuer, users: Collection[str], switches: Switches, counters: Counters) -> None:
        self._issuer = issuer
        self._users = list(users)
        self._switches = switches
        self._counters = counters

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        if request.path == AUTHORIZATION_PATH and request.method in {"GET", "POST"}:
            return self._authorize(request)
        if request.path == TOKEN_PATH and request.method == "POST":
            return await self._token(request)
        if request.path == CONTROL_PATH and request.method in {"GET", "POST"}:
            return self._control(request)
        return Response(404, b"nothing here\n")

    def _authorize(self, request: Request) -> Response:
        """RFC 6749 section 4.1.1; what is wrong with the client or redirect URI is never redirected (4.1.2.1)."""
        if request.method == "GET":
            self._counters.authorizations += 1
        query = request.query
        redirect_uri = query.get("redirect_uri", "")
        if query.get("client_id", "") not in self._issuer.clients:
            return Response(400, b"invalid_client: no such client\n")
        if urllib.parse.urlsplit(redirect_uri).scheme not in {"http", "https"}:
            return Response(400, b"invalid_request: redirect_uri is missing or no HTTP address\n")
        if query.get("response_type") != "code":
            return self._redirect(query.get("state"), redirect_uri, error="unsupported_response_type")
        challenge = query.get("code_challenge")
        if challenge is not None and query.get("code_challenge_method") != "S256":
            return self._redirect(query.get("state"), redirect_uri, error="invalid_request")
        user = query.get("login_hint", self._users[0]).lower()
        if user not in self._users:
            return self._redirect(query.get("state"), redirect_uri, error="access_denied")
        consent = self._switches.consent
        if consent == "page":
            if request.method == "GET":
                page = CONSENT_PAGE.format(
                    client=html.escape(query["client_id"]),
                    user=html.escape(user),
                    query=html.escape(urllib.parse.urlencode(query)),
                )
                return Response(200, page.encode(), "text/html; charset=utf-8")
            consent = "automatic" if request.form.get("consent") == "yes" else "deny"
        if consent == "deny":
            return self._redirect(query.get("state"), redirect_uri, error="access_denied")
        code = self._issuer.issue_code(
            Authorization(query["client_id"], redirect_uri, user, query.get("scope", ""), challenge)
        )
        return self._redirect(query.get("state"), redirect_uri, code=code)

    def _redirect(self, state: str | None, redirect_uri: str, **parameters: str) -> Response:
        if state is not None:
            parameters["state"] = state
        url = urllib.parse.urlsplit(redirect_uri)
        query = "&".join(part for part in (url.query, urllib.parse.urlencode(parameters)) if part)
        return Response(302, headers={"Location": urllib.parse.urlunsplit(url._replace(query=query))})

    async def _token(self, request: Request) -> Response:
        await trio.sleep(self._switches.token_delay)
        failure = self._switches.token_failure
        if failure:
            self._counters.token_requests[request.form.get("grant_type", "")] += 1
        if failure == "hang_up":
            raise HangUp
        if failure == "not_json":
            return Response(200, b"<html><body>Down for maintenance</body></html>", "text/html")
        if failure == "server_error":
            return _json({"error": "server_error", "error_description": "a test wants it"}, 500)
        try:
            basic = _basic_credentials(request.headers.get("authorization", ""))
            return _json(self._issuer.grant(request.form, basic))
        except GrantError as error:
            status = 401 if error.code == "invalid_client" else 400
            return _json({"error": error.code, "error_description": error.description}, status)

    def _control(self, request: Request) -> Response:
        """GET: the counters. POST a JSON object: set these switches. For a provider in a process of its own."""
        if request.method == "POST":
            known = {field.name for field in dataclasses.fields(self._switches)}
            try:
                changes = json.loads(request.body)
            except ValueError:
                return Response(400, b"not JSON\n")
            if not isinstance(changes, dict) or not changes.keys() <= known:
                return Response(400, b"unknown switch\n")
            for name, value in changes.items():
                setattr(self._switches, name, value)
        return _json({"counters": _plain(self._counters), "switches": _plain(self._switches)})


def _plain(values: Counters | Switches) -> dict[str, object]:
    """The fields by name."""
    # Not dataclasses.asdict: it would rebuild each Counter from its pairs, and count those.
    return {field.name: getattr(values, field.name) for field in dataclasses.fields(values)}


def _json(value: object, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode(), "application/json")


def _basic_credentials(header: str) -> tuple[str, str] | None:
    """Client id and secret of ``Authorization: Basic`` (RFC 6749 section 2.3.1: form-encoded), None if not there."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise GrantError("invalid_client", "Authorization header is malformed") from None
    return urllib.parse.unquote_plus(client_id), urllib.parse.unquote_plus(secret)
