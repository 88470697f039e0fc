"""What can be wrong with a token that the provider was glad to give? Rows for what its claims show."""

from __future__ import annotations

from typing import Final

from emailproxy.causes.base import Cause

__all__ = ["CLAIMS", "NO_PERMISSION", "NO_SCOPE", "OTHER_USER", "WRONG_AUDIENCE"]

_EXCHANGE: Final = (
    "learn.microsoft.com/exchange/client-developer/legacy-protocols/"
    "how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth"
)

WRONG_AUDIENCE: Final = Cause(
    "wrong-audience",
    "let oauth2_scope name Exchange Online: https://outlook.office365.com/.default for client_credentials, "
    "https://outlook.office.com/IMAP.AccessAsUser.All and its like for a person (graph.microsoft.com gives tokens that "
    "no mail server takes); then authorise the account again",
    "MicrosoftDocs/office-developer-exchange-docs#87, jstedfast/MailKit#1337",
    "the token is for",
)


def _permission(protocol: str, permission: str) -> Cause:
    return Cause(
        f"no-{permission}",
        f"add the application permission {permission} of 'Office 365 Exchange Online' to the app's registration, and "
        "grant admin consent",
        _EXCHANGE,
        f"the token has no {permission}, which {protocol} needs",
    )


def _scope(protocol: str, scope: str) -> Cause:
    return Cause(
        f"no-{scope}",
        f"add https://outlook.office.com/{scope} to oauth2_scope, and authorise the account again",
        _EXCHANGE,
        f"the token has no {scope}, which {protocol} needs",
    )


NO_PERMISSION: Final = {
    "IMAP": _permission("IMAP", "IMAP.AccessAsApp"),
    "POP": _permission("POP", "POP.AccessAsApp"),
    "SMTP": _permission("SMTP", "SMTP.SendAsApp"),
}
"""By protocol: a token of an application without the role."""

NO_SCOPE: Final = {
    "IMAP": _scope("IMAP", "IMAP.AccessAsUser.All"),
    "POP": _scope("POP", "POP.AccessAsUser.All"),
    "SMTP": _scope("SMTP", "SMTP.Send"),
}
"""By protocol: a token of a person without the scope."""

OTHER_USER: Final = Cause(
    "other-user",
    "if that is not meant (a shared mailbox, an alias), authorise the account again as its own user",
    "simonrob/email-oauth2-proxy#275, tarickb/sasl-xoauth2#43",
    "authorised by",
)

CLAIMS: Final = (WRONG_AUDIENCE, *NO_PERMISSION.values(), *NO_SCOPE.values(), OTHER_USER)
"""All of them."""
