"""What do SMTP servers say to a login, and what must be made of it?"""

from emailproxy.protocols.events import CapabilitiesReceived, LoggedIn, LoginRefused, StartTls, UpstreamFailed
from emailproxy.protocols.smtp import UpstreamSmtp
from emailproxy.testing.dialogue import C, Call, Close, Dialogue, Event, S, Step, Trailing
from tests.protocols.dialogues.common import GOOGLE_CHALLENGE, GOOGLE_JSON, LOGIN, OAUTHBEARER, XOAUTH2, b64

OFFICE_GREETING = S(
    "220 LO4P302CA0005.outlook.office365.com Microsoft ESMTP MAIL Service ready at Thu, 10 Oct 2024 22:49:55 +0000 "
    "[08DCE8B62813AB2B]"
)
HELLO = C("EHLO client.example.com")
BEFORE_TLS = ("SIZE 157286400", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS", "8BITMIME", "SMTPUTF8")
OFFICE = ("SIZE 157286400", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "AUTH LOGIN XOAUTH2", "8BITMIME", "SMTPUTF8")
AUTHENTICATING = "waiting for the answer to AUTH: "


def login() -> UpstreamSmtp:
    return UpstreamSmtp(login=LOGIN, starttls=False, client_name="client.example.com")


def with_tls() -> UpstreamSmtp:
    return UpstreamSmtp(login=LOGIN, starttls=True, client_name="client.example.com")


def ehlo(*lines: str) -> S:
    said = ["smtp.example.com Hello [192.0.2.1]", *lines]
    return S(*(f"250-{line}" for line in said[:-1]), f"250 {said[-1]}")


def office(name: str, *steps: Step) -> Dialogue:
    """A login at Office 365 behind TLS, up to the token."""
    asked: list[Step] = [OFFICE_GREETING, HELLO, ehlo(*OFFICE), C("AUTH XOAUTH2"), S("334 "), C(XOAUTH2)]
    return Dialogue.upstream(name, login, *asked, *steps)


def listed(name: str, lines: tuple[str, ...], *steps: Step) -> Dialogue:
    return Dialogue.upstream(name, login, S("220 hi"), HELLO, ehlo(*lines), *steps)


def refused(reply: str, challenge: str | None = None, *, temporary: bool = False) -> Event:
    return Event(LoginRefused(reply, challenge, temporary))


def failed(detail: str) -> Event:
    return Event(UpstreamFailed(detail))


LOGINS = [
    office(
        "S1 S2 S3 P20 Office 365: two steps; what follows is left over",
        S("235 2.7.0 Authentication successful", b"220"),
        Event(LoggedIn(("2.7.0 Authentication successful",))),
        Trailing(b"220"),
    ),
    office(
        "P7 a reply of several lines",
        S("235-2.7.0 Welcome", "235 2.7.0 Accepted"),
        Event(LoggedIn(("2.7.0 Welcome", "2.7.0 Accepted"))),
    ),
    office("a reply without text", S("235"), Event(LoggedIn(("",)))),
    Dialogue.upstream(
        "P7 greeting of several lines",
        login,
        S("220-smtp.example.com ESMTP", "220-Be polite", "220 please"),
        HELLO,
    ),
    *[
        listed(f"{row}", lines, C("AUTH XOAUTH2"))
        for row, lines in {
            "S-V1 21Vianet": ("AUTH LOGIN XOAUTH2",),
            "S-G1 Gmail": (
                "SIZE 35882577",
                "8BITMIME",
                "AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH",
                "SMTPUTF8",
            ),
            "S-Y1 Yahoo": ("PIPELINING", "8 BITMIME", "AUTH PLAIN LOGIN XOAUTH2 XYMCOOKIE"),
            "S-J1 James": ("AUTH OAUTHBEARER XOAUTH2", "AUTH=OAUTHBEARER XOAUTH2", "PIPELINING"),
            "P9 AUTH= alone": ("AUTH=XOAUTH2",),
            "P11 one line": (),
        }.items()
    ],
    *[
        listed(
            f"P24 S-Y2 Yahoo's {prompt!r} instead of 334",
            ("AUTH PLAIN LOGIN XOAUTH2",),
            C("AUTH XOAUTH2"),
            S(prompt),
            C(XOAUTH2),
            S(f"+ {GOOGLE_CHALLENGE}"),
            C(""),
            S("535 5.7.0 (#AUTH005) Too many bad auth attempts."),
            refused("535 5.7.0 (#AUTH005) Too many bad auth attempts.", GOOGLE_JSON, temporary=True),
        )
        for prompt in ("+ ", "+")
    ],
    listed(
        "OAUTHBEARER where XOAUTH2 is not offered, its failure challenge",
        ("AUTH OAUTHBEARER",),
        C("AUTH OAUTHBEARER"),
        S("334 "),
        C(OAUTHBEARER),
        S("334 " + b64('{"status":"invalid_token"}')),
        C("AQ=="),
        S("535 5.7.8 no"),
        refused("535 5.7.8 no", '{"status":"invalid_token"}'),
    ),
    listed("P9 AUTH= alone, OAUTHBEARER", ("AUTH=OAUTHBEARER",), C("AUTH OAUTHBEARER")),
    Dialogue.upstream(
        "a client name that cannot be said",
        lambda: UpstreamSmtp(login=LOGIN, starttls=False, client_name="a b\r\nQUIT"),
        S("220 hi"),
        C("EHLO [127.0.0.1]"),
    ),
]

REFUSALS = [
    *[
        office(f"{row} {reply[:12]}", S(reply), refused(reply, temporary=temporary))
        for row, reply, temporary in [
            (
                "S4 21Vianet",
                "535 5.7.3 Authentication unsuccessful [NT0PR01CA0010.CHNPR01.prod.partner.outlook.cn 2024-03-14]",
                False,
            ),
            (
                "S5",
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
                False,
            ),
            ("S6", "530 5.7.57 Client not authenticated to send mail. [FR5P281CA0041]", False),
            ("S6", "550 5.7.30 Basic authentication is not supported for Client Submission.", False),
            ("S7", "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending", True),
            ("S8", "500 5.3.3 Unrecognized command 'unknown' [x]", False),
            ("S8", "501 5.5.124 Invalid XOAUTH2 auth data", False),
            ("S9", "535 5.7.3 Authentication unsuccessful", False),
            ("S-D1 P20", "500 5.5.2 Line too long", False),
            ("454", "454 4.7.0 Temporary authentication failure", True),
        ]
    ],
    office(
        "S-G2 P23 P32 Gmail's challenge, then a reply of two lines",
        S(f"334 {GOOGLE_CHALLENGE}"),
        C(""),
        S(
            "535-5.7.8 Username and Password not accepted. Learn more at",
            "535 5.7.8  https://support.google.com/mail/",
        ),
        refused(
            "535 5.7.8 Username and Password not accepted. Learn more at 5.7.8  https://support.google.com/mail/",
            GOOGLE_JSON,
        ),
    ),
    office(
        "S-G3 several lines",
        S(
            "530-5.7.0 Authentication Required. For more information, go to",
            "530 5.7.0  https://support.google.com/mail/?p=WantAuthError",
        ),
        refused(
            "530 5.7.0 Authentication Required. For more information, go to 5.7.0  https://support.google.com/mail/?p=WantAuthError"
        ),
    ),
    listed(
        "the mechanism is unknown",
        ("AUTH PLAIN",),
        C("AUTH XOAUTH2"),
        S("504 5.7.4 Unrecognized authentication type"),
        refused("504 5.7.4 Unrecognized authentication type"),
    ),
    office(
        "a server that goes on asking",
        S("334 " + b64("x")),
        C(""),
        S("334 " + b64("x")),
        failed(AUTHENTICATING + "the server goes on asking"),
    ),
    office("a server that quotes the token", S(f"500 5.5.1 {XOAUTH2[10:90]}?"), refused("500 5.5.1 [secret]")),
]

FAILURES = [
    *[
        Dialogue.upstream(
            f"greeting {code}", login, S(f"{code} go away"), failed(f"waiting for the greeting: {code} go away")
        )
        for code in (421, 554, 250)
    ],
    Dialogue.upstream(
        "greeting of another kind", login, S("* OK IMAP"), failed("waiting for the greeting: not SMTP: * OK IMAP")
    ),
    Dialogue.upstream(
        "EHLO refused", login, S("220 hi"), HELLO, S("502 no"), failed("waiting for the answer to EHLO: 502 no")
    ),
    Dialogue.upstream(
        "421 in the answer to EHLO",
        login,
        S("220 hi"),
        HELLO,
        S("421 4.3.2 bye"),
        failed("waiting for the answer to EHLO: 421 4.3.2 bye"),
    ),
    office(
        "421 in the answer to AUTH",
        S("421 4.7.66 TLS 1.0 and 1.1 are not supported"),
        failed(AUTHENTICATING + "421 4.7.66 TLS 1.0 and 1.1 are not supported"),
    ),
    office("250 in the answer to AUTH", S("250 fine"), failed(AUTHENTICATING + "not an answer to AUTH: 250 fine")),
    office("garbage", S("99 balloons"), failed(AUTHENTICATING + "not SMTP: 99 balloons")),
    office("closing", Close(), failed(AUTHENTICATING + "the server closed the connection")),
    office(
        "closing in a reply", S("535-5.7.8 x"), Close(), failed(AUTHENTICATING + "the server closed the connection")
    ),
    Dialogue.upstream(
        "a line that is too long",
        login,
        S(b"2" * 65_538),
        failed("waiting for the greeting: a line of more than 65536 octets"),
    ),
    Dialogue.upstream(
        "a reply without an end",
        login,
        S(b"220-01234567890\r\n" * 18_000),
        failed("waiting for the greeting: more than 262144 octets"),
    ),
]

TLS = [
    Dialogue.upstream(
        "S2 STARTTLS, then EHLO again",
        with_tls,
        OFFICE_GREETING,
        HELLO,
        ehlo(*BEFORE_TLS),
        C("STARTTLS"),
        S("220 2.0.0 SMTP server ready"),
        Event(StartTls()),
        Call("secured"),
        HELLO,
        ehlo(*OFFICE),
        C("AUTH XOAUTH2"),
        S("334 "),
        C(XOAUTH2),
        S("235 2.7.0 Authentication successful"),
        Event(LoggedIn(("2.7.0 Authentication successful",))),
    ),
    Dialogue.upstream(
        "STARTTLS is not offered",
        with_tls,
        OFFICE_GREETING,
        HELLO,
        ehlo(*OFFICE),
        failed("waiting for the answer to EHLO: the server does not offer STARTTLS"),
    ),
    Dialogue.upstream(
        "STARTTLS is refused",
        with_tls,
        S("220 hi"),
        HELLO,
        ehlo("STARTTLS"),
        C("STARTTLS"),
        S("454 4.7.0 no"),
        failed("waiting for the answer to STARTTLS: 454 4.7.0 no"),
    ),
    Dialogue.upstream(
        "data behind STARTTLS",
        with_tls,
        S("220 hi"),
        HELLO,
        ehlo("STARTTLS"),
        C("STARTTLS"),
        S("220 go", "250 AUTH XOAUTH2"),
        failed("waiting for the answer to STARTTLS: data behind STARTTLS"),
        splittable=False,
    ),
]

PROBES = [
    Dialogue.upstream(
        "S2 a probe asks and says goodbye",
        lambda: UpstreamSmtp(login=None, starttls=False, client_name="client.example.com"),
        OFFICE_GREETING,
        HELLO,
        ehlo(*OFFICE),
        C("QUIT"),
        Event(CapabilitiesReceived(OFFICE)),
    )
]

DIALOGUES = [*LOGINS, *REFUSALS, *FAILURES, *TLS, *PROBES]
