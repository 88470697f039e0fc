"""What does a mail server mean when it refuses a login? Words as Exchange, Gmail, Yahoo and others say them.

Exchange says the same few words for a dozen mistakes, but never the same mistakes for a token that stands for a person
and for one that stands for an application: rows may be for one of the two only.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from emailproxy.causes.base import Cause, Meaning

__all__ = ["MAIL_SERVER", "Row", "Token", "holder_of", "refusal_cause", "unknown_refusal"]

_T: Final = Meaning.TEMPORARY

_EXCHANGE: Final = (
    "learn.microsoft.com/exchange/client-developer/legacy-protocols/"
    "how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth"
)
_SMTP_AUTH: Final = (
    "learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/authenticated-client-smtp-submission"
)
_REGISTER: Final = (
    "register the app in Exchange with the object id of the enterprise application (the app registration's looks the "
    "same and does not work): New-ServicePrincipal -AppId CLIENT_ID -ObjectId OBJECT_ID; then Add-MailboxPermission "
    "-Identity MAILBOX -User OBJECT_ID -AccessRights FullAccess"
)


class Token(enum.Enum):
    """Whom the access token stands for."""

    APPLICATION = "application"
    """Nobody signed in: the client credentials flow."""
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Row:
    """Words, and when they mean `cause`."""

    cause: Cause
    protocols: frozenset[str] = frozenset({"IMAP", "POP", "SMTP"})
    token: Token | None = None
    """None: whomever the token stands for."""


_IMAP, _POP, _SMTP = frozenset({"IMAP"}), frozenset({"POP"}), frozenset({"SMTP"})

MAIL_SERVER: Final[tuple[Row, ...]] = (
    # --- Exchange Online and Outlook.com ---
    Row(
        Cause(
            "exchange-no-mailbox-permission",
            "the app may log in, but not open this mailbox: Add-MailboxPermission -Identity MAILBOX -User OBJECT_ID "
            "-AccessRights FullAccess, with the object id of the enterprise application",
            f"{_EXCHANGE}, jstedfast/MailKit#1496",
            "User is authenticated but not connected",
        ),
        token=Token.APPLICATION,
    ),
    Row(
        Cause(
            "exchange-other-mailbox",
            "authorise the account again as this mailbox's own user, or give the person who authorised it Full Access "
            "to this mailbox",
            "simonrob/email-oauth2-proxy#275, simonrob/email-oauth2-proxy#74",
            "User is authenticated but not connected",
        ),
        token=Token.PERSON,
    ),
    Row(
        Cause(
            "exchange-imap-application",
            _REGISTER,
            f"{_EXCHANGE}, MicrosoftDocs/office-developer-exchange-docs#304",
            "AUTHENTICATE failed",
        ),
        _IMAP,
        Token.APPLICATION,
    ),
    Row(
        Cause(
            "exchange-pop-application",
            _REGISTER,
            f"{_EXCHANGE}, simonrob/email-oauth2-proxy#244",
            "unknown user name or bad password",
        ),
        _POP,
        Token.APPLICATION,
    ),
    Row(
        Cause(
            "exchange-smtp-application",
            f"{_REGISTER}; for a sender other than the mailbox Add-RecipientPermission ... -AccessRights SendAs too",
            f"{_EXCHANGE}, simonrob/email-oauth2-proxy#237",
            "5.7.3 Authentication unsuccessful",
        ),
        _SMTP,
        Token.APPLICATION,
    ),
    Row(
        Cause(
            "exchange-imap-person",
            "see that oauth2_scope has https://outlook.office.com/IMAP.AccessAsUser.All (outlook.office.com, not "
            "graph.microsoft.com), that the mailbox's own user authorised the account, and that the mailbox allows "
            "IMAP: Set-CASMailbox MAILBOX -ImapEnabled $true",
            "MicrosoftDocs/office-developer-exchange-docs#87, simonrob/email-oauth2-proxy#74",
            "AUTHENTICATE failed",
        ),
        _IMAP,
        Token.PERSON,
    ),
    Row(
        Cause(
            "exchange-pop-person",
            "see that oauth2_scope has https://outlook.office.com/POP.AccessAsUser.All, that the mailbox's own user "
            "authorised the account, and that the mailbox allows POP: Set-CASMailbox MAILBOX -PopEnabled $true",
            "simonrob/email-oauth2-proxy#244",
            "unknown user name or bad password",
        ),
        _POP,
        Token.PERSON,
    ),
    Row(
        Cause(
            "exchange-smtp-person",
            "SMTP logs in only as the person who authorised: a shared mailbox sends through that person's login; else "
            "see that oauth2_scope has https://outlook.office.com/SMTP.Send",
            "nextcloud/mail#13668, tarickb/sasl-xoauth2#43",
            "5.7.3 Authentication unsuccessful",
        ),
        _SMTP,
        Token.PERSON,
    ),
    Row(
        Cause(
            "smtp-auth-off-for-tenant",
            "SMTP AUTH is switched off for the tenant: Set-CASMailbox MAILBOX -SmtpClientAuthenticationDisabled $false "
            "allows it to this mailbox alone, Set-TransportConfig -SmtpClientAuthenticationDisabled $false to all",
            f"{_SMTP_AUTH}, simonrob/email-oauth2-proxy#193",
            "SmtpClientAuthentication is disabled for the Tenant",
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "smtp-auth-off-for-mailbox",
            "SMTP AUTH is switched off for this mailbox: Set-CASMailbox MAILBOX -SmtpClientAuthenticationDisabled "
            "$false (up to an hour passes); a personal Outlook.com account has the switch in its settings under "
            "'Forwarding and IMAP', if at all",
            _SMTP_AUTH,
            "SmtpClientAuthentication is disabled for the Mailbox",
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "exchange-security-defaults",
            "the tenant's security defaults block this sign-in: its administrator must replace them by Conditional "
            "Access that lets this app in",
            "learn.microsoft.com/entra/fundamentals/security-defaults",
            "security defaults policy",
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "exchange-conditional-access",
            "a Conditional Access policy of the tenant blocks SMTP from here: its administrator finds which one in the "
            "sign-in log, and must exempt this app, user or address",
            "gophish/gophish#3220",
            "did not meet the criteria to be authenticated successfully",
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "exchange-saw-a-password",
            "the server took the login for one with a password: see that server_address is the mail server itself, and "
            "nothing in between speaks for us",
            "rpremraj/mailR#107, OpenCTI-Platform/opencti#15924",
            "basic authentication is",
        ),
    ),
    Row(
        Cause(
            "exchange-not-authenticated",
            "the server saw no login: see that nothing between us and server_address changes the dialogue",
            "simonrob/email-oauth2-proxy#295",
            "5.7.57 Client not authenticated",
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "exchange-throttled",
            "Exchange throttles this mailbox: wait as long as it says, and let fewer clients poll it",
            "simonrob/email-oauth2-proxy#191",
            "Request is throttled",
            _T,
        ),
        _IMAP,
    ),
    Row(
        Cause(
            "exchange-concurrent-sending",
            "more than three connections send for this mailbox at once: let the clients take turns",
            "sabuhish/fastapi-mail#75, aka.ms/concurrent_sending",
            "Concurrent connections limit exceeded",
            _T,
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "exchange-sender-threads",
            "too many messages are sent for this mailbox at once: let the clients take turns",
            "timeoff-management/timeoff-management-application#308",
            "sender thread limit exceeded",
            _T,
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "exchange-token-expired",
            "the access token ran out during the session, which is normal: the next login gets a new one",
            "iroco-co/aioimaplib#83",
            "AccessTokenExpired",
            _T,
        ),
        _IMAP,
    ),
    Row(
        Cause(
            "exchange-pop-unavailable",
            "the POP service of this mailbox is not available now: try later, and see with IMAP whether the mailbox is",
            "simonrob/email-oauth2-proxy#379",
            "Server Unavailable. 21",
            _T,
        ),
        _POP,
    ),
    Row(
        Cause(
            "exchange-bad-auth-data",
            "this server does not take a token in this form: use smtp.office365.com unless this account is meant for "
            "High Volume Email, and see that the account's name is the mailbox's address",
            "tarickb/sasl-xoauth2#110",
            "5.5.124 Invalid XOAUTH2 auth data",
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "exchange-invalid-state",
            "the server had ended this session already: log in again, and switch off whatever filters the dialogue",
            "simonrob/email-oauth2-proxy#192",
            "Command received in Invalid state",
            _T,
        ),
        _IMAP,
    ),
    Row(
        Cause(
            "stls-inside-tls",
            "this port speaks TLS from the first octet: remove server_starttls from this server",
            "simonrob/email-oauth2-proxy#162",
            "Command is not valid in this state",
        ),
        _POP,
    ),
    Row(
        Cause(
            "exchange-login-failed",
            "a user name and a password reached Exchange, which takes none any more: point the mail client at this "
            "proxy's port, not at the provider's",
            "imapsync/imapsync#368",
            "LOGIN failed",
        ),
        protocols=_IMAP,
    ),
    Row(
        Cause(
            "exchange-send-as-denied",
            "the sender's address is another mailbox's: let the mail client send as the mailbox that it logs in as, or "
            "allow it with Add-RecipientPermission -Identity MAILBOX -Trustee USER -AccessRights SendAs",
            "gophish/gophish#2900",
            "SendAsDenied",
        ),
        protocols=_SMTP,
    ),
    Row(
        Cause(
            "exchange-unrecognized-command",
            "the server did not understand what it was sent: look whether server_port and server_starttls belong "
            "together (587 wants server_starttls = True), and whether something in between changes SMTP",
            "simonrob/email-oauth2-proxy#232",
            "Unrecognized command 'unknown'",
        ),
        protocols=_SMTP,
    ),
    # --- Gmail ---
    Row(
        Cause(
            "gmail-aborted",
            "the token was refused, and Google took the answer to its refusal for the end of the exchange: authorise "
            "the account again with the scope https://mail.google.com/",
            "OfflineIMAP/offlineimap#374",
            "Client aborted AUTHENTICATE command",
        ),
        protocols=_IMAP,
    ),
    Row(
        Cause(
            "gmail-imap-off",
            "switch IMAP on for this mailbox: Gmail > Settings > Forwarding and POP/IMAP",
            "support.google.com/mail/answer/7126229",
            "not enabled for IMAP use",
        ),
        _IMAP,
    ),
    Row(
        Cause(
            "gmail-imap-off-for-domain",
            "the Workspace administrator must allow IMAP: Apps > Google Workspace > Gmail > End User Access",
            "support.google.com/a/answer/105694",
            "IMAP access is disabled for your domain",
        ),
        _IMAP,
    ),
    Row(
        Cause(
            "gmail-pop-off",
            "switch POP on for this mailbox: Gmail > Settings > Forwarding and POP/IMAP",
            "support.google.com/mail/answer/7104828",
            "not enabled for POP access",
        ),
        _POP,
    ),
    Row(
        Cause(
            "gmail-wants-browser",
            "Google wants a person to confirm this sign-in: open the address that it names as this mailbox's user",
            "support.google.com/mail/answer/78754, mailcow/mailcow-dockerized#4277",
            "log in via your web browser",
        ),
    ),
    Row(
        Cause(
            "gmail-refused",
            "see that oauth2_scope is https://mail.google.com/ and that this mailbox's own user authorised the account",
            "mscdex/node-imap#522, simonrob/email-oauth2-proxy#226",
            "Invalid credentials (Failure)",
        ),
        _IMAP,
    ),
    Row(
        Cause(
            "gmail-smtp-refused",
            "see that oauth2_scope is https://mail.google.com/ and that this mailbox's own user authorised the account",
            "swiftmailer/swiftmailer#1083, nodemailer/nodemailer#114",
            "Username and Password not accepted",
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "gmail-wants-login",
            "the server saw no login: see that nothing between us and server_address changes the dialogue",
            "simonrob/email-oauth2-proxy#241",
            "5.7.0 Authentication Required",
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "gmail-malformed",
            "Gmail cannot read what we sent: see that the account's name is an e-mail address without odd characters",
            "mscdex/node-imap#233",
            "Invalid SASL argument",
        ),
        _IMAP,
    ),
    # --- others ---
    Row(
        Cause(
            "yahoo-too-many-attempts",
            "the provider blocks this mailbox for a while after failed logins: stop all clients, and wait an hour",
            "GUI/lua-resty-mail#4",
            "Too many bad auth attempts",
            _T,
        ),
        _SMTP,
    ),
    Row(
        Cause(
            "coremail-sasl-ir",
            "the server offers SASL-IR and does not know it: set sasl_ir = False for this server",
            "pimalaya/himalaya#729",
            "Request not ending with",
        ),
        _IMAP,
    ),
    Row(
        Cause(
            "token-line-too-long",
            "the server takes no token of this length: ask for fewer scopes, so that the provider makes a shorter one",
            "roundcube/roundcubemail#8623, eclipse-ee4j/angus-mail#201",
            "line too long",
        ),
    ),
)
"""In the order in which they are tried."""


def refusal_cause(protocol: str, words: str, token: Token) -> Cause | None:
    """What a mail server's `words` mean; None if nobody knows.

    Args:
        protocol: ``IMAP``, ``POP`` or ``SMTP``.
        words: its reply, and its challenge if there was one.
        token: whom our token stands for.
    """
    folded = words.casefold()
    for row in MAIL_SERVER:
        if protocol in row.protocols and row.token in (None, token) and row.cause.said.casefold() in folded:
            return row.cause
    return None


def unknown_refusal(*, temporary: bool) -> str:
    """What to do about words that nobody knows."""
    if temporary:
        return "the server says that trying later may help"
    return "check oauth2_scope, that this mailbox's own user authorised the account, and that it allows this protocol"


def holder_of(flow: str) -> Token:
    """Whom a token stands for that comes by this ``oauth2_flow``."""
    return Token.APPLICATION if flow == "client_credentials" else Token.PERSON
