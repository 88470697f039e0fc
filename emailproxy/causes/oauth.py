"""What does an error of a token endpoint mean? The codes of the standards, Google's texts, Entra's suberrors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from emailproxy.causes.base import Cause, Meaning
from emailproxy.causes.entra import AADSTS

__all__ = ["CODES", "SUBERRORS", "TEXTS", "UNKNOWN", "judge"]

_P, _T, _M = Meaning.PERMANENT, Meaning.TEMPORARY, Meaning.MISCONFIGURED

_RFC6749: Final = "RFC 6749 section 5.2"
_RFC6749_AUTHORISATION: Final = "RFC 6749 section 4.1.2.1"
_RFC8628: Final = "RFC 8628 section 3.5"
_OIDC: Final = "OpenID Connect Core 1.0 section 3.1.2.6"
_COMMON: Final = "common practice"
_GOOGLE: Final = "developers.google.com/identity/protocols/oauth2"
_SERVICE_ACCOUNT: Final = "developers.google.com/identity/protocols/oauth2/service-account"

CODES: Final[Mapping[str, Cause]] = {
    row.name: row
    for row in (
        Cause(
            "invalid_grant",
            "this refresh token, code or password is not accepted: authorise the account again, or correct the "
            "password",
            _RFC6749,
            meaning=_P,
        ),
        Cause(
            "invalid_client",
            "check client_id and client_secret; if the secret was rotated at the provider, configure the new one",
            _RFC6749,
        ),
        Cause(
            "unauthorized_client",
            "allow this grant type for the client at the provider, or change oauth2_flow",
            _RFC6749,
        ),
        Cause(
            "unsupported_grant_type",
            "the provider does not offer this grant: change oauth2_flow or token_url",
            _RFC6749,
        ),
        Cause("invalid_scope", "check oauth2_scope", _RFC6749),
        Cause(
            "invalid_request",
            "the provider misses or dislikes a parameter: compare the account with a sample",
            _RFC6749,
        ),
        Cause(
            "interaction_required",
            "the provider wants a person to sign in: authorise the account again",
            _OIDC,
            meaning=_P,
        ),
        Cause(
            "login_required", "the provider wants a person to sign in: authorise the account again", _OIDC, meaning=_P
        ),
        Cause(
            "consent_required",
            "the provider wants a person's consent: authorise the account again",
            _OIDC,
            meaning=_P,
        ),
        Cause("invalid_resource", "check oauth2_resource and oauth2_scope", "Entra's token endpoint"),
        Cause("invalid_target", "check oauth2_resource and oauth2_scope", "RFC 8707 section 2"),
        Cause("access_denied", "the person, or the provider on sight of the person, said no", _RFC8628, meaning=_T),
        Cause("authorization_pending", "nobody has entered the code yet", _RFC8628, meaning=_T),
        Cause("expired_token", "the code was not entered in time; the next login asks again", _RFC8628, meaning=_T),
        Cause(
            "temporarily_unavailable",
            "the provider is overloaded; it is asked again at the next login",
            _RFC6749_AUTHORISATION,
            meaning=_T,
        ),
        Cause(
            "server_error",
            "the provider has a fault; it is asked again at the next login",
            _RFC6749_AUTHORISATION,
            meaning=_T,
        ),
        Cause(
            "slow_down",
            "the provider wants fewer requests; it is asked again at the next login",
            "RFC 8628 section 3.5",
            meaning=_T,
        ),
        Cause(
            "rate_limit_exceeded",
            "the provider wants fewer requests; it is asked again at the next login",
            _COMMON,
            meaning=_T,
        ),
        Cause(
            "deleted_client",
            "the OAuth client was deleted in the Google Cloud project: create one, configure its client_id and "
            "client_secret, and authorise again",
            "prasmussen/gdrive#554",
        ),
    )
}
"""By ``error``."""

SUBERRORS: Final[Mapping[str, Cause]] = {
    row.name: row
    for row in (
        # Entra: what kind of person's action would help.
        Cause(
            "message_only",
            "the provider shows the user a message and lets nobody in: read it in a browser",
            "Entra's token endpoint",
        ),
        Cause(
            "protection_policy_required",
            "an app protection policy forbids this app: ask the administrator",
            "Entra's token endpoint",
        ),
        Cause(
            "client_mismatch",
            "the refresh token belongs to another client_id: authorise the account again",
            "Entra's token endpoint",
            meaning=_P,
        ),
        Cause(
            "invalid_rapt",
            "Google Workspace wants people to sign in again after some hours: authorise the account again, and "
            "ask the administrator to trust this app under 'Google Cloud session control'",
            "support.google.com/a/answer/9368756",
            meaning=_P,
        ),
    )
}
"""By ``suberror`` or ``error_subtype``."""

TEXTS: Final[tuple[tuple[str, Cause], ...]] = (
    (
        "invalid_grant",
        Cause(
            "google-expired-or-revoked",
            "authorise the account again; if this happens every 7 days, the Google Cloud project's consent screen is "
            "still in 'Testing': set its publishing status to 'In production'",
            f"{_GOOGLE}#expiration, klenwell/pinprick#4",
            "expired or revoked",
            _P,
        ),
    ),
    (
        "invalid_grant",
        Cause(
            "google-clock-skew",
            "this machine's clock is wrong, so what it signs is not valid (yet, or any more): let it follow a time "
            "server",
            f"{_SERVICE_ACCOUNT}, googleapis/google-api-php-client#1429",
            "Token must be a short-lived token",
        ),
    ),
    (
        "unauthorized_client",
        Cause(
            "google-no-domain-wide-delegation",
            "the service account has no domain-wide delegation for this scope: let the Workspace administrator add its "
            "client id with the scope https://mail.google.com/ under Security > API controls (up to 24 hours pass)",
            f"{_SERVICE_ACCOUNT}, googleapis/google-api-php-client#1379",
            "Client is unauthorized to retrieve access tokens using this method",
        ),
    ),
    (
        "invalid_client",
        Cause(
            "google-client-not-found",
            "client_id is unknown to Google, or was deleted: copy it from the Google Cloud project's credentials",
            "simonrob/email-oauth2-proxy#362",
            "The OAuth client was not found",
        ),
    ),
)
"""``error``, and a part of ``error_description`` that says more than it."""

UNKNOWN: Final = Cause("unknown", "look this code up in the provider's documentation", "", meaning=_M)


def judge(code: str, description: str, suberror: str, numbers: tuple[int, ...]) -> Cause:
    """The most telling row: of Entra's number, the suberror, a text, or the code; `UNKNOWN` if there is none."""
    for number in numbers:
        if number in AADSTS:
            return AADSTS[number]
    if suberror in SUBERRORS:
        return SUBERRORS[suberror]
    for expected, cause in TEXTS:
        if code == expected and cause.said in description:
            return cause
    return CODES.get(code, UNKNOWN)
