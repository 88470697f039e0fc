"""What do IMAP servers say to a login, and what must be made of it?"""

from emailproxy.protocols.events import CapabilitiesReceived, LoggedIn, LoginRefused, StartTls, UpstreamFailed
from emailproxy.protocols.imap import UpstreamImap
from emailproxy.testing.dialogue import C, Call, Close, Dialogue, Event, S, Step, Trailing
from tests.protocols.dialogues.common import (
    GOOGLE_CHALLENGE,
    GOOGLE_JSON,
    LOGIN,
    OAUTHBEARER,
    TOKEN,
    XOAUTH2,
    b64,
)

OFFICE_GREETING = S("* OK The Microsoft Exchange IMAP4 service is ready. [TQBSADEAUAAyAA==]")
OFFICE = "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
OFFICE_AFTER = (
    "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES "
    "CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+"
)
GMAIL = (
    "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 "
    "AUTH=PLAIN AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER"
)
GMAIL_AFTER = (
    "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE MOVE "
    "CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE APPENDLIMIT=35651584"
)
INLINE = C(f"A2 AUTHENTICATE XOAUTH2 {XOAUTH2}")


def login() -> UpstreamImap:
    return UpstreamImap(login=LOGIN, starttls=False)


def with_tls() -> UpstreamImap:
    return UpstreamImap(login=LOGIN, starttls=True)


def cautious() -> UpstreamImap:
    return UpstreamImap(login=LOGIN, starttls=False, sasl_ir=False)


def probe() -> UpstreamImap:
    return UpstreamImap(login=None, starttls=False)


def remembering() -> UpstreamImap:
    return UpstreamImap(login=LOGIN, starttls=False, client_id=b"NIL", known=tuple(OFFICE.split()))


def remembering_probe() -> UpstreamImap:
    return UpstreamImap(login=None, starttls=False, known=tuple(OFFICE.split()))


def remembering_with_tls() -> UpstreamImap:
    return UpstreamImap(login=LOGIN, starttls=True, known=tuple(OFFICE.split()))


def office(name: str, *steps: Step, splittable: bool = True) -> Dialogue:
    """A login at Office 365, up to the token."""
    asked: list[Step] = [
        OFFICE_GREETING,
        C("A1 CAPABILITY"),
        S(f"* CAPABILITY {OFFICE}", "A1 OK CAPABILITY completed."),
        INLINE,
    ]
    return Dialogue.upstream(name, login, *asked, *steps, splittable=splittable)


def known(name: str, capabilities: str, *steps: Step, starttls: bool = False) -> Dialogue:
    """A login at a server that says its capabilities in the greeting."""
    return Dialogue.upstream(name, with_tls if starttls else login, S(f"* OK [CAPABILITY {capabilities}] hi"), *steps)


def refused(reply: str, challenge: str | None = None, *, temporary: bool = False) -> Event:
    return Event(LoginRefused(reply, challenge, temporary))


def failed(detail: str) -> Event:
    return Event(UpstreamFailed(detail))


AUTHENTICATING = "waiting for the answer to AUTHENTICATE: "

REMEMBERED = [
    Dialogue.upstream(
        "what Office 365 offered a moment ago is not asked for",
        remembering,
        OFFICE_GREETING,
        C("A1 ID NIL"),
        S("* ID NIL", "A1 OK"),
        INLINE,
        S(f"A2 OK [CAPABILITY {OFFICE_AFTER}] done"),
        Event(LoggedIn(("done",), tuple(OFFICE_AFTER.split()))),
    ),
    Dialogue.upstream(
        "a greeting goes before what is remembered",
        remembering,
        S("* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] changed"),
        C("A1 AUTHENTICATE XOAUTH2"),
        S("+ "),
        C(XOAUTH2),
        S("A1 OK [CAPABILITY IMAP4rev1] done"),
        Event(LoggedIn(("done",), ("IMAP4rev1",))),
    ),
    Dialogue.upstream(
        "who asks for the capabilities asks",
        remembering_probe,
        OFFICE_GREETING,
        C("A1 CAPABILITY"),
        S("* CAPABILITY IMAP4rev1", "A1 OK"),
        C("A2 LOGOUT"),
        Event(CapabilitiesReceived(("IMAP4rev1",))),
    ),
    Dialogue.upstream(
        "nothing is remembered before STARTTLS",
        remembering_with_tls,
        OFFICE_GREETING,
        C("A1 CAPABILITY"),
        S("* CAPABILITY IMAP4rev1 STARTTLS", "A1 OK"),
        C("A2 STARTTLS"),
        S("A2 OK"),
        Event(StartTls()),
    ),
]

LOGINS = [
    office(
        "I1 I2 I3 Office 365: inline, capabilities asked for after login",
        S("A2 OK AUTHENTICATE completed."),
        C("A3 CAPABILITY"),
        S(f"* CAPABILITY {OFFICE_AFTER}", "A3 OK CAPABILITY completed."),
        Event(LoggedIn(("AUTHENTICATE completed.",), tuple(OFFICE_AFTER.split()))),
        Trailing(b""),
    ),
    Dialogue.upstream(
        "G1 G2 G4 Gmail: untagged capabilities before the OK",
        login,
        S("* OK Gimap ready for requests from 192.0.2.1 k5mb14775076ljm"),
        C("A1 CAPABILITY"),
        S(f"* CAPABILITY {GMAIL}", "A1 OK Thats all she wrote! k5mb14775076ljm"),
        INLINE,
        S(f"* CAPABILITY {GMAIL_AFTER}", "A2 OK anna@example.com authenticated (Success)"),
        Event(LoggedIn(("anna@example.com authenticated (Success)",), tuple(GMAIL_AFTER.split()))),
    ),
    known(
        "Y1 Y2 capabilities in the greeting and in the tagged OK; what follows is left over",
        "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER ID",
        C(f"A1 AUTHENTICATE XOAUTH2 {XOAUTH2}"),
        S("* OK [ALERT] Quota", "* 3 EXISTS", "A1 OK [CAPABILITY IMAP4rev1 IDLE] Welcome", b"* 4 EXI"),
        Event(LoggedIn(("Welcome",), ("IMAP4rev1", "IDLE"), (b"* OK [ALERT] Quota", b"* 3 EXISTS"))),
        S("STS"),
        Trailing(b"* 4 EXISTS\r\n"),
    ),
    known(
        "capabilities in an untagged OK, other codes in the tagged one, lower case",
        "IMAP4rev1 SASL-IR AUTH=XOAUTH2",
        C(f"A1 AUTHENTICATE XOAUTH2 {XOAUTH2}"),
        S("* ok [capability IMAP4rev1 X]", "A1 ok [REFERRAL x] Hi"),
        Event(LoggedIn(("Hi",), ("IMAP4rev1", "X"))),
    ),
    *[
        known(
            f"G3 P22 not inline without SASL-IR, prompt {prompt!r}",
            "IMAP4rev1 AUTH=XOAUTH2",
            C("A1 AUTHENTICATE XOAUTH2"),
            S(prompt),
            C(XOAUTH2),
            S("A1 OK [CAPABILITY IMAP4rev1] Success"),
            Event(LoggedIn(("Success",), ("IMAP4rev1",))),
        )
        for prompt in ("+ ", "+")
    ],
    Dialogue.upstream(
        "P22 SASL-IR is offered, and not believed where the configuration says so",
        cautious,
        S("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hi"),
        C("A1 AUTHENTICATE XOAUTH2"),
        S("+ "),
        C(XOAUTH2),
        S("A1 OK [CAPABILITY IMAP4rev1] Success"),
        Event(LoggedIn(("Success",), ("IMAP4rev1",))),
    ),
    known(
        "P22 SASL-IR is offered, yet the server prompts",
        "IMAP4rev1 SASL-IR AUTH=XOAUTH2",
        C(f"A1 AUTHENTICATE XOAUTH2 {XOAUTH2}"),
        S("+ "),
        C(XOAUTH2),
        S("A1 OK [CAPABILITY IMAP4rev1] Success"),
        Event(LoggedIn(("Success",), ("IMAP4rev1",))),
    ),
    known(
        "OAUTHBEARER where XOAUTH2 is not offered",
        "IMAP4rev1 SASL-IR AUTH=OAUTHBEARER",
        C(f"A1 AUTHENTICATE OAUTHBEARER {OAUTHBEARER}"),
        S("A1 OK [CAPABILITY IMAP4rev1] Success"),
        Event(LoggedIn(("Success",), ("IMAP4rev1",))),
    ),
    known(
        "the token is not sent unasked to a server that lists no mechanism of ours",
        "IMAP4rev1 SASL-IR AUTH=PLAIN",
        C("A1 AUTHENTICATE XOAUTH2"),
        S("A1 NO Unsupported authentication mechanism"),
        refused("NO Unsupported authentication mechanism"),
    ),
    Dialogue.upstream(
        "P26 the client's ID is passed on",
        lambda: UpstreamImap(login=LOGIN, starttls=False, client_id=b'("name" "Mail")'),
        S("* OK [CAPABILITY IMAP4rev1 ID AUTH=XOAUTH2] hi"),
        C('A1 ID ("name" "Mail")'),
        S('* ID ("name" {5}\r\nGI\r\nx "vendor" "Google, Inc.")', "A1 OK Success"),
        C("A2 AUTHENTICATE XOAUTH2"),
    ),
    Dialogue.upstream(
        "P26 a refused ID does no harm",
        lambda: UpstreamImap(login=LOGIN, starttls=False, client_id=b'("name" "Mail")'),
        S("* OK [CAPABILITY IMAP4rev1 ID AUTH=XOAUTH2] hi"),
        C('A1 ID ("name" "Mail")'),
        S("A1 BAD what?"),
        C("A2 AUTHENTICATE XOAUTH2"),
    ),
    *[
        Dialogue.upstream(
            f"no ID {why}",
            lambda client_id=client_id: UpstreamImap(login=LOGIN, starttls=False, client_id=client_id),  # type: ignore[misc]
            S(f"* OK [CAPABILITY IMAP4rev1 {offered}AUTH=XOAUTH2] hi"),
            C("A1 AUTHENTICATE XOAUTH2"),
        )
        for why, client_id, offered in [
            ("where it is not offered", b"NIL", ""),
            ("with a line break", b'("a\r\nb" "c")', "ID "),
        ]
    ],
    known(
        "untagged line with a literal, and text that only looks like one",
        "IMAP4rev1 AUTH=XOAUTH2",
        C("A1 AUTHENTICATE XOAUTH2"),
        S("* X {4}\r\na\r\nb tail", "* OK no literal {4}", "A1 OK [CAPABILITY IMAP4rev1] ok"),
        Event(LoggedIn(("ok",), ("IMAP4rev1",), (b"* X {4}\r\na\r\nb tail", b"* OK no literal {4}"))),
    ),
]

REFUSALS = [
    office("I3 Office 365 says no", S("A2 NO AUTHENTICATE failed."), refused("NO AUTHENTICATE failed.")),
    office(
        "I4 authenticated but not connected, at once",
        S("A2 BAD User is authenticated but not connected.", "* BYE Connection closed. 14"),
        refused("BAD User is authenticated but not connected."),
    ),
    office(
        "I4 authenticated but not connected, after the OK",
        S("A2 OK AUTHENTICATE completed."),
        C("A3 CAPABILITY"),
        S("A3 BAD User is authenticated but not connected.", "* BYE Connection closed. 14"),
        refused("BAD User is authenticated but not connected."),
    ),
    office(
        "I5 throttled, without a tag",
        S("BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds", "* BYE Connection closed. 14"),
        refused("BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds", temporary=True),
    ),
    office(
        "I6 BYE during login",
        S("* BYE Session invalidated - AccessTokenExpired"),
        failed(AUTHENTICATING + "* BYE Session invalidated - AccessTokenExpired"),
    ),
    office(
        "I7 invalid state",
        S("A2 BAD Command received in Invalid state."),
        refused("BAD Command received in Invalid state."),
    ),
    office(
        "G5 P23 Gmail's failure challenge is answered with an empty line",
        S(f"+ {GOOGLE_CHALLENGE}"),
        C(""),
        S("A2 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"),
        refused("NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", GOOGLE_JSON),
    ),
    known(
        "P23 OAUTHBEARER's failure challenge is answered with %x01",
        "IMAP4rev1 AUTH=OAUTHBEARER",
        C("A1 AUTHENTICATE OAUTHBEARER"),
        S("+ "),
        C(OAUTHBEARER),
        S("+ " + b64('{"status":"invalid_token"}')),
        C("AQ=="),
        S("A1 NO Invalid token"),
        refused("NO Invalid token", '{"status":"invalid_token"}'),
    ),
    office(
        "G6 malformed response",
        S("A2 NO Invalid SASL argument. qk7if1705226pac.117"),
        refused("NO Invalid SASL argument. qk7if1705226pac.117"),
    ),
    office(
        "G6 aborted",
        S("+ what is this?"),
        C(""),
        S("A2 BAD Client aborted AUTHENTICATE command. cn9mb200386477igc"),
        refused("BAD Client aborted AUTHENTICATE command. cn9mb200386477igc", "what is this?"),
    ),
    office(
        "a server that goes on asking",
        S(f"+ {GOOGLE_CHALLENGE}"),
        C(""),
        S(f"+ {GOOGLE_CHALLENGE}"),
        failed(AUTHENTICATING + "the server goes on asking"),
    ),
    *[
        office(f"temporary: {reply}", S(f"A2 {reply}"), refused(reply, temporary=True))
        for reply in [
            "NO [UNAVAILABLE] x",
            "NO [IN-USE] x",
            "NO [limit] x",
            "NO Temporary authentication failure",
            "NO Too many sessions",
        ]
    ],
    office("not temporary: a code in the text", S("A2 NO x [UNAVAILABLE]"), refused("NO x [UNAVAILABLE]")),
    office(
        "a server that quotes the token, whole or cut",
        S(f"A2 BAD what is '{XOAUTH2[:60]}' and {TOKEN}x?"),
        refused("BAD what is '[secret]' and [secret]"),
    ),
    office(
        "a long and odd reply is cut and printable",
        S(b"A2 NO \x1b[2J\xc3\xa4\0" + b"x" * 600 + b"\r\n"),
        refused("NO ?[2J??" + "x" * 500 + "..."),
    ),
]

FAILURES = [
    *[
        Dialogue.upstream(f"greeting {greeting!r}", login, S(greeting), failed("waiting for the greeting: " + words))
        for greeting, words in {
            "* BYE Connection closed. 14": "* BYE Connection closed. 14",
            "220 mail.example.com ESMTP": "not IMAP: 220 mail.example.com ESMTP",
            "* NO go away": "not an IMAP greeting: * NO go away",
            "BAD Request is throttled.": "not an IMAP greeting: BAD Request is throttled.",
            "A1 OK": "an answer to a command that was not sent: A1 OK",
            "+ ": "an unexpected continuation",
            "* PREAUTH welcome": "the server says that we are logged in already (PREAUTH)",
            "": "not IMAP: ",
        }.items()
    ],
    Dialogue.upstream(
        "CAPABILITY refused",
        login,
        OFFICE_GREETING,
        C("A1 CAPABILITY"),
        S("A1 BAD no"),
        failed("waiting for the answer to CAPABILITY: BAD no"),
    ),
    office(
        "an answer with a strange tag",
        S("A1 OK done"),
        failed(AUTHENTICATING + "an answer to a command that was not sent: A1 OK done"),
    ),
    office(
        "an OK without a tag",
        S("OK done"),
        failed(AUTHENTICATING + "an answer to a command that was not sent: OK done"),
    ),
    office("garbage", S(b"\x15\x03\x03\0\x02\r\n"), failed(AUTHENTICATING + "not IMAP: ?????")),
    office("closing during login", Close(), failed(AUTHENTICATING + "the server closed the connection")),
    office(
        "closing in a literal",
        S("* X {5}"),
        S(b"ab"),
        Close(),
        failed(AUTHENTICATING + "the server closed the connection"),
    ),
    Dialogue.upstream(
        "closing at once", login, Close(), failed("waiting for the greeting: the server closed the connection")
    ),
    office(
        "a line that is too long", S(b"* " + b"x" * 65_600), failed(AUTHENTICATING + "a line of more than 65536 octets")
    ),
    office(
        "a literal that is too long",
        S("* X {99999999999999999999}"),
        failed(AUTHENTICATING + "more than 262144 octets"),
    ),
    office(
        "a response of literals without an end",
        S("* X {0}", b" {0}\r\n" * 45_000),
        failed(AUTHENTICATING + "more than 262144 octets"),
    ),
    office("too many lines", S(b"* 1 EXISTS\r\n" * 27_000), failed(AUTHENTICATING + "more than 262144 octets")),
]

TLS = [
    known(
        "STARTTLS, then the capabilities are asked for again",
        "IMAP4rev1 STARTTLS",
        C("A1 STARTTLS"),
        S("A1 OK Begin TLS negotiation now."),
        Event(StartTls()),
        Call("secured"),
        C("A2 CAPABILITY"),
        S(f"* CAPABILITY {OFFICE}", "A2 OK done"),
        C(f"A3 AUTHENTICATE XOAUTH2 {XOAUTH2}"),
        starttls=True,
    ),
    known(
        "STARTTLS is not offered",
        "IMAP4rev1 AUTH=XOAUTH2",
        failed("waiting for the greeting: the server does not offer STARTTLS"),
        starttls=True,
    ),
    known(
        "STARTTLS is refused",
        "IMAP4rev1 STARTTLS",
        C("A1 STARTTLS"),
        S("A1 BAD no"),
        failed("waiting for the answer to STARTTLS: BAD no"),
        starttls=True,
    ),
    known(
        "capabilities from before TLS do not count",
        "IMAP4rev1 STARTTLS SASL-IR AUTH=OAUTHBEARER",
        C("A1 STARTTLS"),
        S("A1 OK go"),
        Event(StartTls()),
        Call("secured"),
        C("A2 CAPABILITY"),
        S("A2 OK and not a word of them"),
        C("A3 AUTHENTICATE XOAUTH2"),
        starttls=True,
    ),
    Dialogue.upstream(
        "data behind STARTTLS",
        with_tls,
        S("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi"),
        C("A1 STARTTLS"),
        S("A1 OK go", "* CAPABILITY AUTH=XOAUTH2"),
        failed("waiting for the answer to STARTTLS: data behind STARTTLS"),
        splittable=False,
    ),
    Dialogue.upstream(
        "PREAUTH is no way around STARTTLS, even for a probe",
        lambda: UpstreamImap(login=None, starttls=True),
        S("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi"),
        failed("waiting for the greeting: the server says that we are logged in already (PREAUTH)"),
    ),
]

PROBES = [
    Dialogue.upstream(
        "I2 a probe asks and says goodbye",
        probe,
        OFFICE_GREETING,
        C("A1 CAPABILITY"),
        S(f"* CAPABILITY {OFFICE}", "A1 OK CAPABILITY completed."),
        C("A2 LOGOUT"),
        Event(CapabilitiesReceived(tuple(OFFICE.split()))),
    ),
    Dialogue.upstream(
        "Y2 a probe need not ask, PREAUTH or not",
        probe,
        S("* PREAUTH [CAPABILITY IMAP4rev1 AUTH=XYMPKI] imapgate"),
        C("A1 LOGOUT"),
        Event(CapabilitiesReceived(("IMAP4rev1", "AUTH=XYMPKI"))),
    ),
]

DIALOGUES = [*LOGINS, *REMEMBERED, *REFUSALS, *FAILURES, *TLS, *PROBES]
