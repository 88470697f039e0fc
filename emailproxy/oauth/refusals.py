"""What does a token endpoint's refusal mean, and what should a person do about it?

Three meanings decide what happens next. *Permanent*: this grant (refresh token, code, password) is dead; only a
person's new authorisation or another password helps. *Temporary*: the same request may work later. *Misconfigured*: an
administrator must change something, here or at the provider; the grant itself may be alive, so it is kept. The codes
are those of RFC 6749 section 5.2 and OpenID Connect; Entra adds ``AADSTS`` numbers and a ``suberror``, Google a text.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emailproxy.failures import ProxyError
from emailproxy.oauth.foreign import foreign

__all__ = ["DEVICE_ENDPOINT", "TOKEN_ENDPOINT", "Endpoint", "Meaning", "TokenEndpointError", "from_answer"]


class Meaning(enum.Enum):
    """What a refusal says about the grant."""

    PERMANENT = "permanent"
    TEMPORARY = "temporary"
    MISCONFIGURED = "misconfigured"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who answered."""

    name: str
    option: str
    """Where its address is configured."""


TOKEN_ENDPOINT: Final = Endpoint("token endpoint", "token_url")
DEVICE_ENDPOINT: Final = Endpoint("device authorisation endpoint", "device_authorization_url")


class TokenEndpointError(ProxyError):
    """No token. Its text is the operator's: code, description, what to do; one line, without secrets."""

    def __init__(
        self,
        meaning: Meaning,
        summary: str,
        *,
        code: str = "",
        description: str = "",
        suberror: str = "",
        aadsts: tuple[int, ...] = (),
        advice: str = "",
        retry: bool = False,
    ) -> None:
        self.meaning = meaning
        self.code = code
        """``error`` of the answer."""
        self.description = description
        self.suberror = suberror
        self.aadsts = aadsts
        """Entra's numbers, e.g. 70043."""
        self.advice = advice
        self.retry = retry
        """Whether the same request is worth repeating at once: no answer, or a server's own error."""
        told = summary
        if code:
            told += f": {code}"
        if suberror:
            told += f" ({suberror})"
        if description:
            told += f": {description}"
        if advice:
            told += f" -> {advice}"
        super().__init__(told)

    @classmethod
    def unreachable(cls, problem: str) -> TokenEndpointError:
        """There was no usable answer."""
        return cls(Meaning.TEMPORARY, f"token endpoint: {problem}", retry=True)

    @classmethod
    def misconfigured(cls, problem: str) -> TokenEndpointError:
        """No request is possible with what is configured."""
        return cls(Meaning.MISCONFIGURED, problem)


@dataclass(frozen=True, slots=True)
class _Known:
    meaning: Meaning
    advice: str


_P, _T, _M = Meaning.PERMANENT, Meaning.TEMPORARY, Meaning.MISCONFIGURED

_CODES: Final[Mapping[str, _Known]] = {
    # RFC 6749 section 5.2
    "invalid_grant": _Known(
        _P, "this refresh token, code or password is not accepted: authorise the account again, or correct the password"
    ),
    "invalid_client": _Known(_M, "check client_id and client_secret"),
    "unauthorized_client": _Known(_M, "allow this grant type for the client at the provider, or change oauth2_flow"),
    "unsupported_grant_type": _Known(_M, "the provider does not offer this grant: change oauth2_flow or token_url"),
    "invalid_scope": _Known(_M, "check oauth2_scope"),
    "invalid_request": _Known(_M, "the provider misses or dislikes a parameter: compare the account with a sample"),
    # OpenID Connect Core section 3.1.2.6, and Entra's token endpoint
    "interaction_required": _Known(_P, "the provider wants a person to sign in: authorise the account again"),
    "login_required": _Known(_P, "the provider wants a person to sign in: authorise the account again"),
    "consent_required": _Known(_P, "the provider wants a person's consent: authorise the account again"),
    "invalid_resource": _Known(_M, "check oauth2_resource and oauth2_scope"),
    "invalid_target": _Known(_M, "check oauth2_resource and oauth2_scope"),
    # RFC 8628 section 3.5
    "authorization_pending": _Known(_T, "nobody has entered the code yet"),
    "expired_token": _Known(_T, "the code was not entered in time; the next login asks again"),
    "access_denied": _Known(_T, "the person, or the provider on sight of the person, said no"),
    # RFC 6749 section 4.1.2.1 and common practice
    "temporarily_unavailable": _Known(_T, "the provider is overloaded; it is asked again at the next login"),
    "server_error": _Known(_T, "the provider has a fault; it is asked again at the next login"),
    "slow_down": _Known(_T, "the provider wants fewer requests; it is asked again at the next login"),
    "rate_limit_exceeded": _Known(_T, "the provider wants fewer requests; it is asked again at the next login"),
}

_AADSTS: Final[Mapping[int, _Known]] = {
    # A person must sign in again; the refresh token or code is dead or not enough.
    70000: _Known(_P, "the grant is not valid (any more): authorise the account again"),
    70008: _Known(_P, "the grant has expired: authorise the account again"),
    70043: _Known(
        _P,
        "the tenant's sign-in frequency policy (Conditional Access) ended this authorisation: authorise the account "
        "again, and ask the tenant's administrator to exempt this app if that happens too often",
    ),
    700082: _Known(_P, "unused for too long (90 days): authorise the account again"),
    700084: _Known(
        _P,
        "the app is registered as a single-page app, whose authorisation lasts 24 hours: register "
        "the redirect_uri under 'Mobile and desktop applications' and authorise again",
    ),
    50173: _Known(_P, "the password was changed or sign-ins were revoked: authorise the account again"),
    50089: _Known(_P, "the authorisation has expired: authorise the account again"),
    50076: _Known(
        _P,
        "multi-factor authentication is required: authorise the account again in a browser (the "
        "password flow can never do this)",
    ),
    50079: _Known(_P, "the user must enrol in multi-factor authentication: authorise the account again in a browser"),
    50074: _Known(_P, "strong authentication is required: authorise the account again in a browser"),
    50078: _Known(_P, "the multi-factor authentication has expired: authorise the account again in a browser"),
    65001: _Known(
        _P,
        "consent is missing for this app and scope: authorise the account again; if the tenant does "
        "not let users consent, its administrator must grant admin consent",
    ),
    54005: _Known(_P, "this authorisation code was used already: start the authorisation again"),
    50126: _Known(_P, "user name or password is wrong"),
    50034: _Known(_P, "the tenant has no such user: check the account's name and the tenant in token_url"),
    50055: _Known(_P, "the user's password has expired: the user must change it"),
    # An administrator must do something; a new authorisation would fail the same way.
    50057: _Known(_M, "the user is disabled in the tenant"),
    53003: _Known(_M, "blocked by Conditional Access: the tenant's administrator must allow this app, user or address"),
    53000: _Known(_M, "Conditional Access wants a compliant device: the tenant's administrator must exempt this app"),
    53001: _Known(_M, "Conditional Access wants a joined device: the tenant's administrator must exempt this app"),
    50105: _Known(_M, "the user is not assigned to the app: assign the user under 'Enterprise applications'"),
    50011: _Known(_M, "redirect_uri is not registered for the app: add it exactly as configured"),
    50194: _Known(_M, "the app is single-tenant: use the tenant's own token_url and permission_url, not 'common'"),
    7000218: _Known(
        _M,
        "either client_secret is missing (web app), or 'Allow public client flows' is off (desktop "
        "app): set the one that fits the app's registration",
    ),
    7000215: _Known(_M, "client_secret is wrong: configure the secret's value, not its id"),
    7000222: _Known(_M, "client_secret has expired: create a new one at the provider and configure it"),
    700016: _Known(_M, "client_id is unknown in this tenant: check client_id and the tenant in token_url"),
    700025: _Known(_M, "the app is a public client: remove client_secret"),
    90002: _Known(_M, "the tenant in token_url does not exist"),
    900023: _Known(_M, "the tenant in token_url is not a tenant's name or id"),
    70011: _Known(_M, "oauth2_scope is not valid for this provider"),
    28002: _Known(_M, "oauth2_scope is not valid for this provider"),
    28003: _Known(_M, "oauth2_scope is empty"),
    500011: _Known(_M, "the resource in oauth2_scope does not exist in this tenant"),
    1002012: _Known(_M, "client_credentials needs a scope that ends in '/.default'"),
    # Only time helps.
    50053: _Known(_T, "the account is locked after too many wrong passwords, or the address is blocked; wait"),
    50196: _Known(_T, "the provider sees a loop of requests; wait"),
    90033: _Known(_T, "the provider has a transient fault"),
    50058: _Known(_T, "the provider has no session for this user now"),
    70021: _Known(_T, "a new federated credential takes some minutes to become known"),
}

_SUBERRORS: Final[Mapping[str, _Known]] = {
    # Entra: what kind of person's action would help.
    "message_only": _Known(_M, "the provider shows the user a message and lets nobody in: read it in a browser"),
    "protection_policy_required": _Known(_M, "an app protection policy forbids this app: ask the administrator"),
    "client_mismatch": _Known(_P, "the refresh token belongs to another client_id: authorise the account again"),
    "invalid_rapt": _Known(
        _P,
        "Google Workspace wants people to sign in again after some hours: authorise the account again, and "
        "ask the administrator to trust this app under 'Google Cloud session control'",
    ),
}

_GOOGLE_EXPIRED: Final = (
    "authorise the account again; if this happens every 7 days, the Google Cloud project's consent screen is still in "
    "'Testing': set its publishing status to 'In production'"
)


def from_answer(
    status: int, fields: Mapping[str, object] | None, endpoint: Endpoint = TOKEN_ENDPOINT
) -> TokenEndpointError:
    """Judge an answer without a token: HTTP `status`, and the JSON object in it if there is one."""
    summary = f"{endpoint.name} (HTTP {status})"
    code = _text(fields, "error")
    if status >= 500 or status in (408, 429):
        # Also with a code in it: the server itself says that it is its own fault, or too much.
        return TokenEndpointError(
            Meaning.TEMPORARY,
            summary,
            code=code,
            description=_text(fields, "error_description"),
            advice="it is asked again at the next login",
            retry=status >= 500 or status == 408,
        )
    if not code:
        return _without_code(status, fields is not None, summary, endpoint.option)
    description = _text(fields, "error_description")
    suberror = _text(fields, "suberror") or _text(fields, "error_subtype")
    numbers = _aadsts(fields, description)
    known = _judge(code, description, suberror, numbers)
    return TokenEndpointError(
        known.meaning,
        summary,
        code=code,
        description=description,
        suberror=suberror,
        aadsts=numbers,
        advice=known.advice,
    )


def _judge(code: str, description: str, suberror: str, numbers: tuple[int, ...]) -> _Known:
    for number in numbers:
        if number in _AADSTS:
            return _AADSTS[number]
    if suberror in _SUBERRORS:
        return _SUBERRORS[suberror]
    if code == "invalid_grant" and "expired or revoked" in description:
        return _Known(Meaning.PERMANENT, _GOOGLE_EXPIRED)
    return _CODES.get(code, _Known(Meaning.MISCONFIGURED, "look this code up in the provider's documentation"))


def _without_code(status: int, is_object: bool, summary: str, option: str) -> TokenEndpointError:
    """An answer that no token endpoint should give: a gateway's page, a portal, a wrong address."""
    what = "no error code" if is_object else "not JSON"
    if 300 <= status < 400:
        advice = f"it redirects, which is not followed: configure the final address as {option}"
        return TokenEndpointError(Meaning.MISCONFIGURED, summary, advice=advice)
    if status in (404, 405, 410):
        return TokenEndpointError(Meaning.MISCONFIGURED, f"{summary}: {what}", advice=f"check {option}")
    advice = f"something in between answered (a portal, a proxy, a firewall), or {option} is wrong"
    return TokenEndpointError(Meaning.TEMPORARY, f"{summary}: {what}", advice=advice, retry=True)


def _text(fields: Mapping[str, object] | None, name: str) -> str:
    value = fields.get(name) if fields is not None else None
    return foreign(value) if isinstance(value, str) else ""


def _aadsts(fields: Mapping[str, object] | None, description: str) -> tuple[int, ...]:
    """Entra's numbers: from ``error_codes``, else from the description."""
    codes = fields.get("error_codes") if fields is not None else None
    if isinstance(codes, list):
        return tuple(code for code in codes[:8] if isinstance(code, int))
    return tuple(int(number) for number in re.findall(r"AADSTS(\d{4,9})", description)[:8])
