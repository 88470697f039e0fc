"""What must an SMTP client hear before login?"""

from emailproxy.protocols.events import Abused, LoggedIn, StartTls
from emailproxy.protocols.smtp import DownstreamSmtp
from emailproxy.testing.dialogue import C, Call, Close, Dialogue, Event, S, Step, Trailing
from tests.protocols.dialogues.common import (
    ABUSE,
    ADMIN,
    BYE,
    LATER,
    LEFT,
    LIMIT,
    PASSWORD,
    PLAIN,
    STOP,
    USER,
    WRONG,
    b64,
    came,
    refused,
)

GREETING = S("220 mx.local ESMTP emailproxy ready")
EHLO = S("250-mx.local", "250-8BITMIME", "250 AUTH PLAIN LOGIN")
ACCEPTED = LoggedIn(("2.7.0 Authentication successful",))
OK = S("235 2.7.0 Authentication successful")
NO_CREDENTIALS = S("535 5.7.8 A user name and a password are needed")
MALFORMED = S("501 5.5.2 Malformed credentials")
NEED_LOGIN = S("530 5.7.0 Authentication required")
UNKNOWN = S("500 5.5.1 Unknown command")


def plain() -> DownstreamSmtp:
    return DownstreamSmtp(capabilities=(), starttls=False, hostname="mx.local")


def tls() -> DownstreamSmtp:
    return DownstreamSmtp(capabilities=(), starttls=True, hostname="mx.local")


def after_greeting(name: str, *steps: Step) -> Dialogue:
    return Dialogue.downstream(name, plain, GREETING, *steps)


def after_ehlo(name: str, *steps: Step) -> Dialogue:
    return after_greeting(name, C("EHLO client"), EHLO, *steps)


def offered(name: str, capabilities: list[str], *lines: str) -> Dialogue:
    """The answer to EHLO, made from what the server offered."""
    return Dialogue.downstream(
        name,
        lambda: DownstreamSmtp(capabilities=capabilities, starttls=True, hostname="mx.local"),
        GREETING,
        C("EHLO client"),
        S("250-mx.local", *(f"250-{line}" for line in lines), "250 STARTTLS"),
    )


def abused(name: str, said: bytes, detail: str) -> Dialogue:
    return after_greeting(
        name, C(said), Event(Abused(detail)), Call("abort", ABUSE), S("500 5.5.6 Not a mail client. (ref BAD0)")
    )


AUTHS = [
    after_ehlo("AUTH PLAIN", C("AUTH PLAIN"), S("334 "), C(PLAIN), came("AUTH PLAIN"), Call("accept", ACCEPTED), OK),
    after_ehlo(
        "AUTH PLAIN inline, with an identity",
        C("AUTH PLAIN " + b64("boss\0anna\0tiger")),
        came("AUTH PLAIN", "anna", identity="boss"),
    ),
    after_ehlo(
        "P17 AUTH LOGIN with exactly these prompts",
        C("AUTH LOGIN"),
        S("334 VXNlcm5hbWU6"),
        C(b64(USER)),
        S("334 UGFzc3dvcmQ6"),
        C(b64(PASSWORD)),
        came("AUTH LOGIN"),
        Call("accept", ACCEPTED),
        OK,
    ),
    after_ehlo(
        "P18 auth login in lower case, user name inline",
        C("auth login " + b64(USER)),
        S("334 UGFzc3dvcmQ6"),
        C(b64(PASSWORD)),
        came("AUTH LOGIN"),
        Call("accept", ACCEPTED),
        OK,
    ),
    after_ehlo(
        "P2 the same octets through LOGIN",
        C("AUTH LOGIN " + b64("a"), b64(b'a\\b"\xff')),
        S("334 UGFzc3dvcmQ6"),
        came("AUTH LOGIN", "a", b'a\\b"\xff'),
    ),
    after_greeting(
        "P12 AUTH after HELO",
        C("HELO printer"),
        S("250 mx.local"),
        C(f"AUTH PLAIN {PLAIN}"),
        came("AUTH PLAIN"),
        Call("accept", ACCEPTED),
        OK,
    ),
    after_greeting("AUTH before EHLO", C(f"AUTH PLAIN {PLAIN}"), S("503 5.5.1 Send EHLO first"), refused("AUTH")),
    after_ehlo(
        "S-G2 the server's lines become one reply",
        C(f"AUTH PLAIN {PLAIN}"),
        came("AUTH PLAIN"),
        Call("accept", LoggedIn(("2.7.0 Welcome", "2.7.0 Accepted"))),
        S("235-2.7.0 Welcome", "235 2.7.0 Accepted"),
    ),
    after_ehlo(
        "P3 P31 every refusal has its code, and the client may go on",
        *[
            step
            for failure, answer in [
                (WRONG, S("535 5.7.8 Wrong user name or password. (ref 7F3A)")),
                (LATER, S("454 4.7.0 Please try again later. (ref 0B17)")),
                (ADMIN, S("554 5.3.5 Ask your administrator. (ref 00AD)")),
                (LIMIT, S("421 4.7.0 Too many connections. (ref 0111)")),
                (STOP, S("421 4.3.2 Restarting. (ref 0FF0)")),
            ]
            for step in (C(f"AUTH PLAIN {PLAIN}"), came("AUTH PLAIN"), Call("refuse", failure), answer)
        ],
        C(f"AUTH PLAIN {PLAIN}"),
        came("AUTH PLAIN"),
        Call("accept", LoggedIn(())),
        OK,
    ),
    after_greeting(
        "P27 pipelined: what follows AUTH is left for the relay",
        C(f"EHLO exim\r\nAUTH PLAIN {PLAIN}\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDA".encode()),
        EHLO,
        came("AUTH PLAIN"),
        Call("accept", ACCEPTED),
        OK,
        C(b"TA\r\n"),
        Trailing(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"),
    ),
    after_ehlo(
        "AUTH cancelled",
        C("AUTH PLAIN"),
        S("334 "),
        C("*"),
        S("501 5.7.0 Authentication cancelled"),
        refused("AUTH"),
        C("NOOP"),
        S("250 2.0.0 OK"),
    ),
    *[
        after_ehlo(f"AUTH {name}", C(f"AUTH {argument}"), answer, refused("AUTH"))
        for name, argument, answer in [
            ("P25 with an empty password", "PLAIN " + b64("\0anna\0"), NO_CREDENTIALS),
            ("P25 with an empty user name", "PLAIN " + b64("\0\0tiger"), NO_CREDENTIALS),
            ("PLAIN with an empty response", "PLAIN =", MALFORMED),
            ("that is not base64", "PLAIN a:b", MALFORMED),
            ("without a mechanism", "", S("501 5.5.4 AUTH takes a mechanism and an initial response")),
            ("with too much", "PLAIN a b", S("501 5.5.4 AUTH takes a mechanism and an initial response")),
            ("P19 of another kind", "CRAM-MD5", S("504 5.5.4 Unsupported mechanism; use one of PLAIN, LOGIN")),
        ]
    ],
    after_ehlo(
        "P25 LOGIN with an empty password",
        C("AUTH LOGIN"),
        S("334 VXNlcm5hbWU6"),
        C(b64("a")),
        S("334 UGFzc3dvcmQ6"),
        C(""),
        NO_CREDENTIALS,
        refused("AUTH"),
    ),
    after_ehlo(
        "the longest SASL line",
        C("AUTH PLAIN"),
        S("334 "),
        C(b64("\0a\0" + "x" * 9213)),
        came("AUTH PLAIN", "a", "x" * 9213),
    ),
    after_ehlo(
        "a SASL line that is too long",
        C("AUTH PLAIN"),
        S("334 "),
        C(b"x" * 12_290),
        Event(Abused("a line of more than 12288 octets")),
    ),
]

OFFICE_365 = [
    "SIZE 157286400",
    "PIPELINING",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "AUTH LOGIN XOAUTH2",
    "8BITMIME",
    "BINARYMIME",
    "CHUNKING",
    "SMTPUTF8",
]

COMMANDS = [
    offered(
        "P10 S2 Office 365: AUTH in the middle",
        OFFICE_365,
        "SIZE 157286400",
        "PIPELINING",
        "DSN",
        "ENHANCEDSTATUSCODES",
        "8BITMIME",
        "BINARYMIME",
        "CHUNKING",
        "SMTPUTF8",
        "AUTH PLAIN LOGIN",
    ),
    offered(
        "P10 S-Y1 Yahoo: AUTH last",
        ["PIPELINING", "SIZE 41697280", "8 BITMIME", "AUTH PLAIN LOGIN XOAUTH2 XYMCOOKIE"],
        "PIPELINING",
        "SIZE 41697280",
        "8 BITMIME",
        "AUTH PLAIN LOGIN",
    ),
    offered(
        "P9 P10 S-J1 James: AUTH and AUTH= first",
        ["AUTH OAUTHBEARER XOAUTH2", "AUTH=OAUTHBEARER XOAUTH2", "PIPELINING", "STARTTLS"],
        "PIPELINING",
        "AUTH PLAIN LOGIN",
        "AUTH=PLAIN LOGIN",
    ),
    offered("P11 a list of one", ["auth xoauth2"], "AUTH PLAIN LOGIN"),
    offered("P11 nothing is known", [], "8BITMIME", "AUTH PLAIN LOGIN"),
    after_greeting("P12 HELO has one line", C("helo x"), S("250 mx.local")),
    Dialogue.downstream(
        "P14 STARTTLS, then EHLO again and no more of it",
        tls,
        GREETING,
        C("EHLO client"),
        S("250-mx.local", "250-8BITMIME", "250-AUTH PLAIN LOGIN", "250 STARTTLS"),
        C("STARTTLS x"),
        S("501 5.5.4 STARTTLS takes no argument"),
        refused("STARTTLS"),
        C("STARTTLS"),
        S("220 2.0.0 Begin TLS negotiation now"),
        Event(StartTls()),
        Call("secured"),
        C(f"AUTH PLAIN {PLAIN}"),
        S("503 5.5.1 Send EHLO first"),
        refused("AUTH"),
        C("EHLO client"),
        EHLO,
        C("STARTTLS"),
        S("503 5.5.1 STARTTLS is not offered"),
        refused("STARTTLS"),
        C(f"AUTH PLAIN {PLAIN}"),
        came("AUTH PLAIN"),
        Call("accept", ACCEPTED),
        OK,
    ),
    Dialogue.downstream(
        "data behind STARTTLS",
        tls,
        GREETING,
        C("STARTTLS", "EHLO x"),
        Event(Abused("data behind STARTTLS")),
        Call("abort", ABUSE),
        S("500 5.5.6 Not a mail client. (ref BAD0)"),
        splittable=False,
    ),
    after_greeting(
        "S6 P27 a message without a login, pipelined as exim does",
        C("EHLO x", "MAIL FROM:<a@b> SIZE=1", "RCPT TO:<c@d>", "DATA"),
        EHLO,
        *[step for verb in ("MAIL", "RCPT", "DATA") for step in (NEED_LOGIN, refused(verb))],
        C("RSET", "QUIT"),
        S("250 2.0.0 OK", "221 2.0.0 Goodbye"),
        BYE,
        Call("abort", STOP),
    ),
    after_greeting(
        "NOOP, VRFY, HELP and nonsense",
        C("noop x"),
        S("250 2.0.0 OK"),
        C("VRFY anna"),
        S("252 2.5.2 Send a message to find out"),
        C("HELP"),
        S("214 2.0.0 Log in with AUTH; before that EHLO, STARTTLS, NOOP, RSET and QUIT are known"),
        *[step for line in (PLAIN, "", "\x01") for step in (C(line), UNKNOWN, refused("(unknown)"))],
        *[
            step
            for verb in ("EHLO", "HELO")
            for step in (C(verb), S(f"501 5.5.4 {verb} needs your name"), refused(verb))
        ],
        *[
            step
            for verb in ("RSET", "QUIT")
            for step in (C(f"{verb} x"), S(f"501 5.5.4 {verb} takes no argument"), refused(verb))
        ],
        *[step for verb in ("EXPN", "ETRN") for step in (C(f"{verb} x"), NEED_LOGIN, refused(verb))],
        C("QUIT "),
        S("221 2.0.0 Goodbye"),
        BYE,
    ),
]

PROXY = (
    "the connection starts with a PROXY protocol header, which is not expected here: "
    "switch it off in the load balancer for this port, or write proxy_protocol = True and proxy_protocol_from"
)

ENDS = [
    abused("a line that is too long", b"EHLO " + b"x" * 8188 + b"\r\n", "a line of more than 8192 octets"),
    abused("a line without an end", b"x" * 8194, "a line of more than 8192 octets"),
    abused(
        "P13 Traefik's PROXY header before EHLO",
        b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c\x7f\0\0\1\x7f\0\0\1\xc3\x50\4\0EHLO itsme\r\n",
        PROXY,
    ),
    abused("P13 PROXY protocol version 1", b"PROXY UNKNOWN\r\n", PROXY),
    abused("message data before login", b"BDAT 5 LAST\r\nQUIT\r\n", "message data (BDAT) before login"),
    after_greeting(
        "21 refused commands",
        *[step for _ in range(20) for step in (C("DATA"), NEED_LOGIN, refused("DATA"))],
        C("DATA"),
        NEED_LOGIN,
        Event(Abused("20 refused commands")),
    ),
    after_greeting("closing at once", Close(), LEFT),
    after_greeting("an empty line that may be a PROXY header, then closing", C(""), Close(), LEFT),
    after_greeting("closing in a line", C(b"EHLO"), Close(), LEFT),
    after_ehlo("closing in an exchange", C("AUTH LOGIN"), S("334 VXNlcm5hbWU6"), Close(), LEFT),
    Dialogue.downstream(
        "closing instead of the TLS handshake",
        tls,
        GREETING,
        C("STARTTLS"),
        S("220 2.0.0 Begin TLS negotiation now"),
        Event(StartTls()),
        Close(),
        LEFT,
    ),
    after_greeting(
        "a goodbye while a command is awaited", Call("abort", STOP), S("421 4.3.2 Restarting. (ref 0FF0)"), LEFT
    ),
    after_greeting(
        "a goodbye that is not 421 by itself",
        Call("abort", LATER),
        S("421 4.7.0 Please try again later. (ref 0B17)"),
        LEFT,
    ),
    after_ehlo(
        "a goodbye while the answer is awaited, one line for both",
        C(f"AUTH PLAIN {PLAIN}"),
        came("AUTH PLAIN"),
        Call("abort", STOP),
        S("421 4.3.2 Restarting. (ref 0FF0)"),
        LEFT,
    ),
    after_ehlo(
        "a goodbye while the answer is awaited, in two lines",
        C(f"AUTH PLAIN {PLAIN}"),
        came("AUTH PLAIN"),
        Call("abort", LATER),
        S("454 4.7.0 Please try again later. (ref 0B17)", "421 4.7.0 Please try again later. (ref 0B17)"),
        LEFT,
    ),
]

DIALOGUES = [*AUTHS, *COMMANDS, *ENDS]
