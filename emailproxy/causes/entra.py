"""What do Entra's numbers mean? The ``AADSTS`` codes that a mail login can meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from emailproxy.causes.base import Cause, Meaning

__all__ = ["AADSTS"]

_P, _T = Meaning.PERMANENT, Meaning.TEMPORARY

_PAGE: Final = "learn.microsoft.com/entra/identity-platform/reference-error-codes"


def _row(number: int, advice: str, source: str, meaning: Meaning = Meaning.MISCONFIGURED) -> tuple[int, Cause]:
    return number, Cause(f"AADSTS{number}", advice, source, meaning=meaning)


_ROWS: Final = (
    # A person must sign in again; the refresh token or code is dead or not enough.
    _row(70000, "the grant is not valid (any more): authorise the account again", _PAGE, meaning=_P),
    _row(70008, "the grant has expired: authorise the account again", _PAGE, meaning=_P),
    _row(
        70043,
        "the tenant's sign-in frequency policy (Conditional Access) ended this authorisation: authorise the account "
        "again, and ask the tenant's administrator to exempt this app if that happens too often",
        f"{_PAGE}, simonrob/email-oauth2-proxy#181",
        meaning=_P,
    ),
    _row(700082, "unused for too long (90 days): authorise the account again", _PAGE, meaning=_P),
    _row(
        700084,
        "the app is registered as a single-page app, whose authorisation lasts 24 hours: register the redirect_uri "
        "under 'Mobile and desktop applications' and authorise again",
        _PAGE,
        meaning=_P,
    ),
    _row(50173, "the password was changed or sign-ins were revoked: authorise the account again", _PAGE, meaning=_P),
    _row(50089, "the authorisation has expired: authorise the account again", _PAGE, meaning=_P),
    _row(
        50076,
        "multi-factor authentication is required: authorise the account again in a browser (the password flow can "
        "never do this)",
        _PAGE,
        meaning=_P,
    ),
    _row(
        50079,
        "the user must enrol in multi-factor authentication: authorise the account again in a browser",
        _PAGE,
        meaning=_P,
    ),
    _row(50074, "strong authentication is required: authorise the account again in a browser", _PAGE, meaning=_P),
    _row(
        50078,
        "the multi-factor authentication has expired: authorise the account again in a browser",
        _PAGE,
        meaning=_P,
    ),
    _row(
        65001,
        "consent is missing for this app and scope: authorise the account again; if the tenant does not let users "
        "consent, its administrator must grant admin consent",
        _PAGE,
        meaning=_P,
    ),
    _row(
        54005,
        "this authorisation code was used already: start the authorisation again",
        f"{_PAGE}, simonrob/email-oauth2-proxy#183",
        meaning=_P,
    ),
    _row(50126, "user name or password is wrong", _PAGE, meaning=_P),
    _row(50034, "the tenant has no such user: check the account's name and the tenant in token_url", _PAGE, meaning=_P),
    _row(50055, "the user's password has expired: the user must change it", _PAGE, meaning=_P),
    _row(65004, "the person declined: authorise the account again and accept", _PAGE, meaning=_P),
    _row(
        50072,
        "the user must enrol in multi-factor authentication: authorise the account again in a browser",
        _PAGE,
        meaning=_P,
    ),
    _row(50132, "the password was changed or has expired: authorise the account again", _PAGE, meaning=_P),
    _row(50133, "the password was changed or has expired: authorise the account again", _PAGE, meaning=_P),
    _row(50144, "the user's password has expired: the user must change it", _PAGE, meaning=_P),
    # An administrator must do something; a new authorisation would fail the same way.
    _row(50057, "the user is disabled in the tenant", _PAGE),
    _row(
        53003, "blocked by Conditional Access: the tenant's administrator must allow this app, user or address", _PAGE
    ),
    _row(53000, "Conditional Access wants a compliant device: the tenant's administrator must exempt this app", _PAGE),
    _row(53001, "Conditional Access wants a joined device: the tenant's administrator must exempt this app", _PAGE),
    _row(50105, "the user is not assigned to the app: assign the user under 'Enterprise applications'", _PAGE),
    _row(50011, "redirect_uri is not registered for the app: add it exactly as configured", _PAGE),
    _row(50194, "the app is single-tenant: use the tenant's own token_url and permission_url, not 'common'", _PAGE),
    _row(
        7000218,
        "either client_secret is missing (web app), or 'Allow public client flows' is off (desktop app): set the one "
        "that fits the app's registration",
        f"{_PAGE}, simonrob/email-oauth2-proxy#159",
    ),
    _row(7000215, "client_secret is wrong: configure the secret's value, not its id", _PAGE),
    _row(7000222, "client_secret has expired: create a new one at the provider and configure it", _PAGE),
    _row(700016, "client_id is unknown in this tenant: check client_id and the tenant in token_url", _PAGE),
    _row(700025, "the app is a public client: remove client_secret", _PAGE),
    _row(90002, "the tenant in token_url does not exist", _PAGE),
    _row(900023, "the tenant in token_url is not a tenant's name or id", "caddy-dns/azure#3"),
    _row(70011, "oauth2_scope is not valid for this provider", _PAGE),
    _row(28002, "oauth2_scope is not valid for this provider", _PAGE),
    _row(28003, "oauth2_scope is empty", _PAGE),
    _row(500011, "the resource in oauth2_scope does not exist in this tenant", _PAGE),
    _row(1002012, "client_credentials needs a scope that ends in '/.default'", "MicrosoftDocs/azure-docs#99862"),
    _row(
        50020,
        "the person who signed in belongs to another tenant, or has a personal Microsoft account, which this app or "
        "token_url does not admit: sign in with an account of the tenant, or use its 'common' or 'consumers' address",
        _PAGE,
    ),
    _row(
        500208,
        "a personal Microsoft account where only work or school accounts are admitted (or the reverse): sign in with "
        "the other kind, or change the tenant in token_url and permission_url",
        _PAGE,
    ),
    _row(
        9002332,
        "the app is registered for work or school accounts only: use the tenant or 'organizations' in token_url and "
        "permission_url, not 'consumers'",
        _PAGE,
    ),
    _row(
        9002346,
        "the app is registered for personal Microsoft accounts only: use 'consumers' in token_url and permission_url, "
        "or let the registration admit work accounts too",
        "oxalica/onedrive-api#3",
    ),
    _row(
        9002331,
        "the app is registered for personal Microsoft accounts only: use 'consumers' in token_url and permission_url, "
        "or let the registration admit work accounts too",
        "oxalica/onedrive-api#3",
    ),
    _row(9001023, "this flow needs the tenant's own token_url, not 'common' or 'consumers'", _PAGE),
    _row(
        90130,
        "the app does not admit 'common' or 'consumers': use the tenant's own token_url and permission_url",
        _PAGE,
    ),
    _row(
        90094,
        "the tenant's administrator must grant admin consent to the app's permissions (Enterprise applications > the "
        "app > Permissions)",
        _PAGE,
    ),
    _row(90095, "the tenant's administrator must approve the app: the request is in 'Admin consent requests'", _PAGE),
    _row(
        650052,
        "the tenant has no subscription to this service, or it is not enabled there: ask the tenant's administrator",
        _PAGE,
    ),
    _row(
        650056,
        "the app's registration lists no permission for this resource, or the administrator has not consented: add "
        "the permissions of 'Office 365 Exchange Online' and grant admin consent",
        _PAGE,
    ),
    _row(
        650057,
        "the app's registration lists no permission for the resource in oauth2_scope: add it under 'API permissions'",
        _PAGE,
    ),
    _row(
        700022,
        "oauth2_scope names more than one resource: keep the scopes of the mail server and offline_access only",
        _PAGE,
    ),
    _row(70002, "client_secret is wrong, or was rotated: configure the new one", _PAGE),
    _row(
        700024,
        "the client assertion is not valid at this time: this machine's clock is wrong, let it follow a time server",
        "Azure/login#180",
    ),
    _row(
        700027,
        "the signature of the client assertion does not fit the certificate that the app's registration has: upload "
        "this certificate there, or configure the key that belongs to it",
        _PAGE,
    ),
    _row(
        50012,
        "the certificate of the client assertion is not accepted: upload it to the app's registration, and see that "
        "it has not expired",
        _PAGE,
    ),
    _row(
        70001,
        "the app is disabled or unknown in this tenant: check client_id, and 'Enabled for users to sign in' of the "
        "enterprise application",
        _PAGE,
    ),
    _row(700011, "client_id is unknown in this tenant: check client_id and the tenant in token_url", _PAGE),
    _row(
        7000112,
        "the enterprise application is disabled in the tenant: its administrator must enable it for sign-in",
        _PAGE,
    ),
    _row(53002, "Conditional Access admits approved apps only: the tenant's administrator must exempt this app", _PAGE),
    _row(
        530032,
        "a security policy of the tenant blocks this: its administrator must exempt this app, user or address",
        _PAGE,
    ),
    _row(
        530035,
        "the tenant's security defaults block this sign-in: its administrator must replace them by Conditional Access",
        _PAGE,
    ),
    _row(90038, "the tenant belongs to another national cloud: use that cloud's token_url and permission_url", _PAGE),
    # Only time helps.
    _row(
        50053,
        "the account is locked after too many wrong passwords, or the address is blocked; wait",
        _PAGE,
        meaning=_T,
    ),
    _row(50196, "the provider sees a loop of requests; wait", _PAGE, meaning=_T),
    _row(90033, "the provider has a transient fault", _PAGE, meaning=_T),
    _row(50058, "the provider has no session for this user now", _PAGE, meaning=_T),
    *(
        _row(
            number,
            f"no federated credential of the app's registration fits the {what} of the client_assertion: correct it "
            "there (a new one takes some minutes to become known)",
            "learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations",
        )
        for number, what in ((700211, "issuer"), (700212, "audience"), (700213, "subject"))
    ),
    _row(
        70021,
        "a new federated credential takes some minutes to become known",
        "learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations",
        meaning=_T,
    ),
    _row(90055, "the tenant has sent too many requests; wait", _PAGE, meaning=_T),
    _row(70012, "the provider has a transient fault with personal accounts", _PAGE, meaning=_T),
    _row(90006, "the provider has a transient fault", _PAGE, meaning=_T),
    _row(90024, "the provider has a transient fault", _PAGE, meaning=_T),
)

AADSTS: Final[Mapping[int, Cause]] = dict(_ROWS)
"""By number."""
