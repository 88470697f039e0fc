"""Which tokens has the provider issued, to whom, and until when?"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from emailproxy.testing.provider.switches import Counters, Switches

__all__ = ["ANY_USER", "Authorization", "GrantError", "TokenIssuer"]

ANY_USER = "*"
"""Subject of an application's own token (client credentials): it opens every mailbox."""


class GrantError(Exception):
    """The token endpoint refuses; `code` is the ``error`` of RFC 6749 section 5.2."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Authorization:
    """What an authorization code stands for."""

    client_id: str
    redirect_uri: str
    user: str
    scope: str
    code_challenge: str | None
    """PKCE S256 (RFC 7636), None if the client sent none."""


@dataclass(slots=True)
class TokenIssuer:
    """Issues codes and tokens, and knows them again."""

    clients: Mapping[str, str | None]
    """Client ids with their secret; None: a public client."""
    passwords: Mapping[str, str]
    """Users with their password at the provider (for the password grant only)."""
    switches: Switches
    counters: Counters
    _codes: dict[str, Authorization] = field(default_factory=dict)
    _access: dict[str, tuple[str, float]] = field(default_factory=dict)
    _refresh: dict[str, tuple[str, str]] = field(default_factory=dict)

    def issue_code(self, authorization: Authorization) -> str:
        """A code that can be redeemed once."""
        code = "code." + secrets.token_urlsafe(24)
        self._codes[code] = authorization
        return code

    def issue_access_token(self, user: str) -> str:
        """A token for `user` (or `ANY_USER`), valid at once; tests may call this directly."""
        token = "access." + secrets.token_urlsafe(24)
        token += "." + "x" * max(0, self.switches.token_size - len(token) - 1)
        self._access[token] = (user, time.monotonic() + self.switches.token_lifetime)
        return token

    def user_of(self, access_token: str) -> str | None:
        """Whose mailbox a valid token opens (`ANY_USER`: everybody's); None if it is unknown or has expired."""
        user, expiry = self._access.get(access_token, (None, 0.0))
        return user if time.monotonic() < expiry else None

    def revoke_access_tokens(self) -> None:
        """No access token issued so far is valid any more; refresh tokens are."""
        self._access.clear()

    def revoke_refresh_tokens(self) -> None:
        """As if the user had withdrawn the consent: the next refresh is an ``invalid_grant``."""
        self._refresh.clear()

    def grant(self, form: Mapping[str, str], basic: tuple[str, str] | None) -> dict[str, object]:
        """Answer a token request (RFC 6749 sections 4 and 6).

        Raises:
            GrantError: the request is refused.
        """
        grant_type = form.get("grant_type", "")
        self.counters.token_requests[grant_type] += 1
        if self.switches.token_errors:
            raise GrantError(self.switches.token_errors.pop(0), "refused because a test wants it")
        client_id = self._authenticate_client(form, basic)
        if grant_type == "authorization_code":
            user = self._redeem(form, client_id)
        elif grant_type == "refresh_token":
            return self._refreshed(form, client_id)
        elif grant_type == "password":
            user = self._check_password(form)
        elif grant_type == "client_credentials":
            if self.clients[client_id] is None:
                raise GrantError("unauthorized_client", "a public client has no credentials")
            return self._response(ANY_USER, form, None)
        else:
            raise GrantError("unsupported_grant_type", f"{grant_type!r} is not offered")
        return self._response(user, form, self._new_refresh_token(user, client_id))

    def _authenticate_client(self, form: Mapping[str, str], basic: tuple[str, str] | None) -> str:
        client_id, secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
        if client_id not in self.clients:
            raise GrantError("invalid_client", "no such client")
        wanted = self.clients[client_id]
        if wanted is not None and not hmac.compare_digest(wanted.encode(), secret.encode()):
            raise GrantError("invalid_client", "client secret is wrong")
        return client_id

    def _redeem(self, form: Mapping[str, str], client_id: str) -> str:
        authorization = self._codes.pop(form.get("code", ""), None)
        if authorization is None:
            raise GrantError("invalid_grant", "code is unknown or was redeemed before")
        if authorization.client_id != client_id:
            raise GrantError("invalid_grant", "code was issued to another client")
        if authorization.redirect_uri != form.get("redirect_uri", ""):
            raise GrantError("invalid_grant", "redirect_uri differs from the one of the authorization request")
        if authorization.code_challenge is not None:
            digest = hashlib.sha256(form.get("code_verifier", "").encode("ascii", "replace")).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if not hmac.compare_digest(challenge.encode(), authorization.code_challenge.encode()):
                raise GrantError("invalid_grant", "code_verifier does not match (PKCE)")
        return authorization.user

    def _check_password(self, form: Mapping[str, str]) -> str:
        user = form.get("username", "").lower()
        if not hmac.compare_digest(self.passwords.get(user, "").encode(), form.get("password", "").encode()) or (
            user not in self.passwords
        ):
            raise GrantError("invalid_grant", "user name or password is wrong")
        return user

    def _new_refresh_token(self, user: str, client_id: str) -> str:
        token = "refresh." + secrets.token_urlsafe(24)
        self._refresh[token] = (user, client_id)
        return token

    def _refreshed(self, form: Mapping[str, str], client_id: str) -> dict[str, object]:
        token = form.get("refresh_token", "")
        user, owner = self._refresh.get(token, ("", ""))
        if not user or owner != client_id:
            raise GrantError("invalid_grant", "refresh token is unknown or was revoked")
        if not self.switches.rotate_refresh_tokens:
            return self._response(user, form, None)
        del self._refresh[token]
        return self._response(user, form, self._new_refresh_token(user, client_id))

    def _response(self, user: str, form: Mapping[str, str], refresh_token: str | None) -> dict[str, object]:
        response: dict[str, object] = {"access_token": self.issue_access_token(user), "token_type": "Bearer"}
        if self.switches.expires_in is not None:
            response["expires_in"] = self.switches.expires_in
        if refresh_token is not None:
            response["refresh_token"] = refresh_token
        if form.get("scope"):
            response["scope"] = form["scope"]
        return response
