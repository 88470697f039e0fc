"""What do POP3 servers say to a login, and what must be made of it?"""

from emailproxy.protocols.events import CapabilitiesReceived, LoggedIn, LoginRefused, StartTls, UpstreamFailed
from emailproxy.protocols.pop3 import UpstreamPop3
from emailproxy.testing.dialogue import C, Call, Close, Dialogue, Event, S, Step, Trailing
from tests.protocols.dialogues.common import GOOGLE_CHALLENGE, GOOGLE_JSON, LOGIN, OAUTHBEARER, XOAUTH2, b64

OFFICE_GREETING = S("+OK The Microsoft Exchange POP3 service is ready. [TABPADQAUAAxADIAMw==]")
OFFICE_CAPA = S("+OK", "TOP", "UIDL", "SASL PLAIN XOAUTH2", ".")
BEFORE_TLS = S("+OK", "TOP", "UIDL", "STLS", ".")


def login() -> UpstreamPop3:
    return UpstreamPop3(login=LOGIN, starttls=False)


def with_tls() -> UpstreamPop3:
    return UpstreamPop3(login=LOGIN, starttls=True)


def remembering() -> UpstreamPop3:
    return UpstreamPop3(login=LOGIN, starttls=False, known=("TOP", "SASL OAUTHBEARER"))


def remembering_probe() -> UpstreamPop3:
    return UpstreamPop3(login=None, starttls=False, known=("TOP", "SASL OAUTHBEARER"))


def remembering_with_tls() -> UpstreamPop3:
    return UpstreamPop3(login=LOGIN, starttls=True, known=("TOP", "SASL OAUTHBEARER"))


def office(name: str, *steps: Step) -> Dialogue:
    """A login at Office 365, up to the token."""
    asked: list[Step] = [OFFICE_GREETING, C("CAPA"), OFFICE_CAPA, C("AUTH XOAUTH2"), S("+ "), C(XOAUTH2)]
    return Dialogue.upstream(name, login, *asked, *steps)


def refused(reply: str, challenge: str | None = None, *, temporary: bool = False) -> Event:
    return Event(LoginRefused(reply, challenge, temporary))


def failed(detail: str) -> Event:
    return Event(UpstreamFailed(detail))


DIALOGUES = [
    Dialogue.upstream(
        "what was offered a moment ago is not asked for",
        remembering,
        OFFICE_GREETING,
        C("AUTH OAUTHBEARER"),
        S("+ "),
        C(OAUTHBEARER),
        S("+OK"),
        Event(LoggedIn(("",))),
    ),
    Dialogue.upstream(
        "who asks for the capabilities asks",
        remembering_probe,
        OFFICE_GREETING,
        C("CAPA"),
        OFFICE_CAPA,
        C("QUIT"),
        Event(CapabilitiesReceived(("TOP", "UIDL", "SASL PLAIN XOAUTH2"))),
    ),
    Dialogue.upstream(
        "nothing is remembered before STLS",
        remembering_with_tls,
        OFFICE_GREETING,
        C("CAPA"),
        BEFORE_TLS,
        C("STLS"),
        S("+OK"),
        Event(StartTls()),
    ),
    office(
        "P-O1 P-O2 P20 P21 Office 365: two lines; what follows is left over",
        S("+OK User successfully logged on.", b"+OK 1 2"),
        Event(LoggedIn(("User successfully logged on.",))),
        Trailing(b"+OK 1 2"),
    ),
    Dialogue.upstream(
        "P-G1 P-G2 Gmail, with a bare plus",
        login,
        S("+OK Gpop ready for requests from 127.0.0.1 a19mb12868205edx"),
        C("CAPA"),
        S("+OK Capability list follows", "USER", "SASL PLAIN XOAUTH2 OAUTHBEARER", "."),
        C("AUTH XOAUTH2"),
        S("+"),
        C(XOAUTH2),
        S("+OK Welcome."),
        Event(LoggedIn(("Welcome.",))),
    ),
    Dialogue.upstream(
        "P-O1 a server without CAPA, an empty +OK",
        login,
        S("+OK The Microsoft Exchange POP3 service is ready. []"),
        C("CAPA"),
        S("-ERR what?"),
        C("AUTH XOAUTH2"),
        S("+ "),
        C(XOAUTH2),
        S("+OK"),
        Event(LoggedIn(("",))),
    ),
    Dialogue.upstream(
        "OAUTHBEARER where XOAUTH2 is not offered, its failure challenge",
        login,
        S("+OK hi"),
        C("CAPA"),
        S("+OK", "SASL OAUTHBEARER", "..dotted", "."),
        C("AUTH OAUTHBEARER"),
        S("+ "),
        C(OAUTHBEARER),
        S("+ " + b64('{"status":"invalid_token"}')),
        C("AQ=="),
        S("-ERR [AUTH] no"),
        refused("-ERR [AUTH] no", '{"status":"invalid_token"}'),
    ),
    office(
        "P-O3 Office 365 says no",
        S("-ERR Authentication failure: unknown user name or bad password."),
        refused("-ERR Authentication failure: unknown user name or bad password."),
    ),
    office(
        "P-O4 unavailable", S("-ERR Server Unavailable. 21"), refused("-ERR Server Unavailable. 21", temporary=True)
    ),
    *[
        office(f"temporary: {reply}", S(reply), refused(reply, temporary=True))
        for reply in ["-ERR [SYS/TEMP] x", "-ERR [IN-USE] x", "-ERR [LOGIN-DELAY] x", "-err [sys/temp] x"]
    ],
    office("permanent", S("-ERR [SYS/PERM] x"), refused("-ERR [SYS/PERM] x")),
    office(
        "P23 failure challenge, then the reply",
        S(f"+ {GOOGLE_CHALLENGE}"),
        C(""),
        S("-ERR [AUTH] Invalid credentials"),
        refused("-ERR [AUTH] Invalid credentials", GOOGLE_JSON),
    ),
    office(
        "a server that goes on asking",
        S(f"+ {GOOGLE_CHALLENGE}"),
        C(""),
        S(f"+ {GOOGLE_CHALLENGE}"),
        failed("waiting for the answer to AUTH: the server goes on asking"),
    ),
    office(
        "a server that quotes the token", S(f"-ERR unknown command {XOAUTH2}"), refused("-ERR unknown command [secret]")
    ),
    office("garbage", S("250 what"), failed("waiting for the answer to AUTH: not POP3: 250 what")),
    office("closing", Close(), failed("waiting for the answer to AUTH: the server closed the connection")),
    Dialogue.upstream(
        "greeting -ERR", login, S("-ERR [SYS/TEMP] busy"), failed("waiting for the greeting: [SYS/TEMP] busy")
    ),
    Dialogue.upstream(
        "greeting of another kind",
        login,
        S("* OK IMAP"),
        failed("waiting for the greeting: not a POP3 greeting: * OK IMAP"),
    ),
    Dialogue.upstream(
        "garbage for CAPA",
        login,
        S("+OK"),
        C("CAPA"),
        S("* BAD"),
        failed("waiting for the answer to CAPA: not POP3: * BAD"),
    ),
    Dialogue.upstream(
        "closing in the list",
        login,
        S("+OK"),
        C("CAPA"),
        S("+OK", "TOP"),
        Close(),
        failed("waiting for a line of the capability list: the server closed the connection"),
    ),
    Dialogue.upstream(
        "a line that is too long",
        login,
        S(b"+" * 65_538),
        failed("waiting for the greeting: a line of more than 65536 octets"),
    ),
    Dialogue.upstream(
        "a list without an end",
        login,
        S("+OK"),
        C("CAPA"),
        S("+OK", b"x" * 99 + b"\r\n", b"\r\n", b"TOPTOPTOPT\r\n" * 26_300),
        failed("waiting for a line of the capability list: more than 262144 octets"),
    ),
    Dialogue.upstream(
        "P-O2 STLS, then CAPA again",
        with_tls,
        OFFICE_GREETING,
        C("CAPA"),
        BEFORE_TLS,
        C("STLS"),
        S("+OK Begin TLS negotiation."),
        Event(StartTls()),
        Call("secured"),
        C("CAPA"),
        OFFICE_CAPA,
        C("AUTH XOAUTH2"),
    ),
    Dialogue.upstream(
        "STLS is not offered",
        with_tls,
        OFFICE_GREETING,
        C("CAPA"),
        OFFICE_CAPA,
        failed("waiting for a line of the capability list: the server does not offer STLS"),
    ),
    Dialogue.upstream(
        "P-O4 STLS is refused, nothing known",
        with_tls,
        OFFICE_GREETING,
        C("CAPA"),
        S("-ERR"),
        C("STLS"),
        S("-ERR Command is not valid in this state."),
        failed("waiting for the answer to STLS: Command is not valid in this state."),
    ),
    Dialogue.upstream(
        "STLS answered by garbage",
        with_tls,
        S("+OK"),
        C("CAPA"),
        BEFORE_TLS,
        C("STLS"),
        S("huh"),
        failed("waiting for the answer to STLS: huh"),
    ),
    Dialogue.upstream(
        "data behind STLS",
        with_tls,
        S("+OK"),
        C("CAPA"),
        BEFORE_TLS,
        C("STLS"),
        S("+OK", "+OK"),
        failed("waiting for the answer to STLS: data behind STLS"),
        splittable=False,
    ),
    Dialogue.upstream(
        "P-O2 a probe asks and says goodbye",
        lambda: UpstreamPop3(login=None, starttls=False),
        OFFICE_GREETING,
        C("CAPA"),
        OFFICE_CAPA,
        C("QUIT"),
        Event(CapabilitiesReceived(("TOP", "UIDL", "SASL PLAIN XOAUTH2"))),
    ),
    Dialogue.upstream(
        "a probe undoes dot-stuffing and leaves out empty lines",
        lambda: UpstreamPop3(login=None, starttls=False),
        S("+OK"),
        C("CAPA"),
        S("+OK", "..X", "", "TOP ", "."),
        C("QUIT"),
        Event(CapabilitiesReceived((".X", "TOP"))),
    ),
]
