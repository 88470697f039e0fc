"""Which real provider does the simulated one sound like? Greetings and capability lists, as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["GENERIC", "GMAIL", "OFFICE365", "PROFILES", "Profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """The words of one kind of server. STARTTLS, STLS and the SMTP host line are added where they belong."""

    name: str
    imap_greeting: str
    imap_capabilities: tuple[str, ...]
    """Before login, `mechanisms` included as ``AUTH=...``."""
    imap_login_capabilities: tuple[str, ...]
    """After login; see `imap_announces`."""
    imap_login_ok: str
    imap_login_no: str
    pop3_greeting: str
    pop3_capabilities: tuple[str, ...]
    smtp_greeting: str
    smtp_extensions: tuple[str, ...]
    smtp_auth: str
    """The mechanisms behind ``AUTH`` in the EHLO reply, offered only inside TLS."""
    mechanisms: tuple[str, ...] = ("XOAUTH2", "OAUTHBEARER")
    imap_announces: Literal["in OK", "untagged", "when asked"] = "when asked"
    """How the capabilities after login are made known."""
    smtp_login_ok: str = "2.7.0 Authentication successful"
    smtp_login_no: str = "5.7.8 Username and Password not accepted"
    pop3_login_ok: str = "Welcome."
    pop3_login_no: str = "[AUTH] Authentication failed."


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(" "))


GENERIC: Final = Profile(
    name="generic",
    imap_greeting="* OK [CAPABILITY {capabilities}] Simulated IMAP server ready.",
    imap_capabilities=("IMAP4rev1", "SASL-IR", "LITERAL+", "ID", "IDLE", "AUTH=XOAUTH2", "AUTH=OAUTHBEARER"),
    imap_login_capabilities=("IMAP4rev1", "LITERAL+", "ID", "IDLE", "NAMESPACE", "UIDPLUS", "UNSELECT", "CHILDREN"),
    imap_login_ok="Logged in.",
    imap_login_no="[AUTHENTICATIONFAILED] Authentication failed.",
    imap_announces="in OK",
    pop3_greeting="+OK Simulated POP3 server ready.",
    pop3_capabilities=("TOP", "UIDL", "PIPELINING", "RESP-CODES", "SASL XOAUTH2 OAUTHBEARER"),
    smtp_greeting="220 mail.example.com ESMTP simulated submission server",
    smtp_extensions=("SIZE 36700160", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING", "SMTPUTF8"),
    smtp_auth="XOAUTH2 OAUTHBEARER",
)

OFFICE365: Final = Profile(
    name="office365",
    imap_greeting="* OK The Microsoft Exchange IMAP4 service is ready. [TQBSADEAUAAyADYANABDAEEA]",
    imap_capabilities=_words(
        "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
    ),
    imap_login_capabilities=_words(
        "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES"
        " CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+"
    ),
    imap_login_ok="AUTHENTICATE completed.",
    imap_login_no="AUTHENTICATE failed.",
    mechanisms=("XOAUTH2",),
    pop3_greeting="+OK The Microsoft Exchange POP3 service is ready. [TABPADQAUAAxADIAMwBDAEEA]",
    pop3_capabilities=("TOP", "UIDL", "SASL PLAIN XOAUTH2"),
    pop3_login_no="Authentication failure: unknown user name or bad password.",
    smtp_greeting="220 LO4P302CA0005.outlook.office365.com Microsoft ESMTP MAIL Service ready",
    smtp_extensions=(
        "SIZE 157286400",
        "PIPELINING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        "8BITMIME",
        "CHUNKING",
        "SMTPUTF8",
    ),
    smtp_auth="LOGIN XOAUTH2",
    smtp_login_no="5.7.3 Authentication unsuccessful [NT0PR01CA0010.CHNPR01.prod.partner.outlook.cn]",
)

GMAIL: Final = Profile(
    name="gmail",
    imap_greeting="* OK Gimap ready for requests from 127.0.0.1 k5mb14775076ljm",
    imap_capabilities=_words(
        "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 AUTH=PLAIN"
        " AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER"
    ),
    imap_login_capabilities=_words(
        "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS LITERAL+ APPENDLIMIT=35651584"
    ),
    imap_login_ok="{user} authenticated (Success)",
    imap_login_no="[AUTHENTICATIONFAILED] Invalid credentials (Failure)",
    imap_announces="untagged",
    pop3_greeting="+OK Gpop ready for requests from 127.0.0.1 a19mb12868205edx",
    pop3_capabilities=(
        "USER",
        "RESP-CODES",
        "EXPIRE 0",
        "LOGIN-DELAY 300",
        "TOP",
        "UIDL",
        "X-GOOGLE-RICO",
        "SASL PLAIN XOAUTH2 OAUTHBEARER",
    ),
    smtp_greeting="220 smtp.gmail.com ESMTP k5mb14775076ljm - gsmtp",
    smtp_extensions=("SIZE 35882577", "8BITMIME", "ENHANCEDSTATUSCODES", "PIPELINING", "CHUNKING", "SMTPUTF8"),
    smtp_auth="LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH",
    smtp_login_ok="2.7.0 Accepted",
    smtp_login_no=(
        "5.7.8 Username and Password not accepted. Learn more at\n"
        "5.7.8  https://support.google.com/mail/?p=BadCredentials - gsmtp"
    ),
)

PROFILES: Final = {profile.name: profile for profile in (GENERIC, OFFICE365, GMAIL)}
"""By name, for the command line."""
