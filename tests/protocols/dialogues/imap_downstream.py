"""What must an IMAP client hear before login?"""

from emailproxy.protocols.events import Abused, LoggedIn, StartTls
from emailproxy.protocols.imap import DownstreamImap
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

CAPABILITIES = "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN ID NAMESPACE IDLE UIDPLUS"
WITH_TLS = "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN STARTTLS ID NAMESPACE IDLE UIDPLUS"
GREETING = S(f"* OK [CAPABILITY {CAPABILITIES}] emailproxy ready")
TLS_GREETING = S(f"* OK [CAPABILITY {WITH_TLS}] emailproxy ready")
ACCEPTED = LoggedIn(("AUTHENTICATE completed.",), ("IMAP4rev1", "IDLE", "AUTH=XOAUTH2"))
OK = S("1 OK [CAPABILITY IMAP4rev1 IDLE AUTH=XOAUTH2] AUTHENTICATE completed.")
GO_ON = S("+ Ready for literal data")
NO_CREDENTIALS = S("1 NO [AUTHENTICATIONFAILED] A user name and a password are needed")
BAD_ARGUMENTS = S("1 BAD Unexpected arguments")


def plain() -> DownstreamImap:
    return DownstreamImap(capabilities=(), starttls=False)


def tls() -> DownstreamImap:
    return DownstreamImap(capabilities=(), starttls=True)


def after_greeting(name: str, *steps: Step, splittable: bool = True) -> Dialogue:
    return Dialogue.downstream(name, plain, GREETING, *steps, splittable=splittable)


def login(
    name: str, *said: str | bytes, user: str = USER, password: str | bytes = PASSWORD, go_on: int = 0
) -> Dialogue:
    """A LOGIN with everything at once; `go_on` literals that the client would have waited for."""
    return after_greeting(
        name,
        C(*said),
        *[GO_ON] * go_on,
        came("LOGIN", user, password),
        Call("accept", ACCEPTED),
        OK,
        Trailing(b""),
    )


def refused_login(name: str, *said: str | bytes, answer: S, verb: str = "LOGIN") -> Dialogue:
    return after_greeting(name, C(*said), answer, refused(verb), C("2 NOOP"), S("2 OK NOOP completed"), Close(), LEFT)


OFFICE_365 = "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+"
GMAIL = (
    "IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 AUTH=PLAIN "
    "AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER AUTH=XOAUTH"
)

LOGINS = [
    login("LOGIN with atoms", f"1 LOGIN {USER} {PASSWORD}"),
    login("LOGIN in lower case", f"1 login {USER} {PASSWORD}"),
    login("LOGIN with a bare LF", f"1 LOGIN {USER} {PASSWORD}\n".encode()),
    login("LOGIN with quoted strings", f'1 LOGIN "{USER}" "{PASSWORD}"'),
    login("LOGIN with specials in an atom", f'1 LOGIN {USER} 5%*\\(]"x', password='5%*\\(]"x'),
    login("LOGIN with UTF-8 in a quoted string", f'1 LOGIN {USER} "pä ß€"', password="pä ß€"),
    login("LOGIN with Latin-1 in a quoted string", b'1 LOGIN anna@example.com "p\xe4"\r\n', password=b"p\xe4"),
    login("P1 synchronising literals", f"1 LOGIN {{16}}\r\n{USER} {{5}}\r\n{PASSWORD}", go_on=2),
    login("P1 non-synchronising literals", f"1 LOGIN {{16+}}\r\n{USER} {{5+}}\r\n{PASSWORD}"),
    login("P1 {n-} is taken as synchronising", f"1 LOGIN {{16-}}\r\n{USER} {{5-}}\r\n{PASSWORD}", go_on=2),
    login("P1 literal user, quoted password", f'1 LOGIN {{16+}}\r\n{USER} "tiger"'),
    login("P1 quoted user, literal password", f'1 LOGIN "{USER}" {{5}}\r\ntiger', go_on=1),
    login("P1 literal with line breaks", f"1 LOGIN {USER} {{8+}}\r\na\r\nb\n{{1}}", password="a\r\nb\n{1}"),
    login("P1 binary literal", b'1 LOGIN anna@example.com {4+}\r\n\xff\x01\xfe"\r\n', password=b'\xff\x01\xfe"'),
    login("P1 literal of the longest size", f"1 LOGIN {USER} {{8192+}}\r\n{'x' * 8192}", password="x" * 8192),
    login("P2 quoted backslash and quote", f'1 LOGIN {USER} "a\\\\b\\"c"', password='a\\b"c'),
    login("P2 a backslash in an atom is itself", f"1 LOGIN {USER} a\\b", password="a\\b"),
    login("P2 a backslash in a literal is itself", f"1 LOGIN {USER} {{3+}}\r\na\\b", password="a\\b"),
    refused_login("P2 unknown escape", f'1 LOGIN {USER} "a\\b"', answer=BAD_ARGUMENTS),
    refused_login("LOGIN with an open quote", f'1 LOGIN {USER} "tiger', answer=BAD_ARGUMENTS),
    refused_login("LOGIN with text behind a quote", f'1 LOGIN {USER} "ti"ger', answer=BAD_ARGUMENTS),
    refused_login("LOGIN without a password", f"1 LOGIN {USER}", answer=BAD_ARGUMENTS),
    refused_login("LOGIN with three arguments", f"1 LOGIN {USER} tiger x", answer=BAD_ARGUMENTS),
    refused_login("LOGIN with NUL", b"1 LOGIN anna {2+}\r\na\0\r\n", answer=S("1 BAD Malformed credentials")),
    refused_login("P25 empty quoted password", f'1 LOGIN {USER} ""', answer=NO_CREDENTIALS),
    refused_login("P25 empty literal password", f"1 LOGIN {USER} {{0+}}\r\n", answer=NO_CREDENTIALS),
    refused_login("P25 empty user name", '1 LOGIN "" tiger', answer=NO_CREDENTIALS),
    refused_login("user name with a line break", "1 LOGIN {3+}\r\na\r\n tiger", answer=NO_CREDENTIALS),
    refused_login("user name that is not UTF-8", b"1 LOGIN a\xff tiger\r\n", answer=NO_CREDENTIALS),
    after_greeting(
        "P1 a literal's continuation is asked for one at a time",
        C("1 LOGIN {16}"),
        GO_ON,
        C(f"{USER} {{5}}"),
        GO_ON,
        C("tiger"),
        came("LOGIN"),
        Call("accept", ACCEPTED),
        OK,
    ),
    after_greeting(
        "P3 wrong password three times, then right",
        *[
            step
            for _ in range(3)
            for step in (
                C(f"1 LOGIN {USER} wrong"),
                came("LOGIN", password="wrong"),
                Call("refuse", WRONG),
                S("1 NO [AUTHENTICATIONFAILED] Wrong user name or password. (ref 7F3A)"),
            )
        ],
        C(f"1 LOGIN {USER} tiger"),
        came("LOGIN"),
        Call("accept", ACCEPTED),
        OK,
    ),
    after_greeting(
        "P31 local failures are not wrong passwords",
        C("1 LOGIN a b"),
        came("LOGIN", "a", "b"),
        Call("refuse", LATER),
        S("1 NO [UNAVAILABLE] Please try again later. (ref 0B17)"),
        C("2 LOGIN a b"),
        came("LOGIN", "a", "b"),
        Call("refuse", ADMIN),
        S("2 NO [CONTACTADMIN] Ask your administrator. (ref 00AD)"),
    ),
    after_greeting(
        "P27 commands behind the login wait, then are answered after a refusal",
        C(f"1 LOGIN {USER} x\r\n2 NOOP\r\n3 LOGOUT"),
        came("LOGIN", password="x"),
        Call("refuse", WRONG),
        S(
            "1 NO [AUTHENTICATIONFAILED] Wrong user name or password. (ref 7F3A)",
            "2 OK NOOP completed",
            "* BYE Logging out",
            "3 OK LOGOUT completed",
        ),
        BYE,
    ),
    after_greeting(
        "P27 octets behind the login are left for the relay",
        C(f"1 LOGIN {USER} tiger\r\n2 SELECT INBOX\r\n3 FETCH 1 (BO".encode()),
        came("LOGIN"),
        Call("accept", ACCEPTED),
        OK,
        C(b"DY[])\r\n"),
        Trailing(b"2 SELECT INBOX\r\n3 FETCH 1 (BODY[])\r\n"),
    ),
    after_greeting(
        "G4 untagged lines go before the tagged OK, without capabilities there is no code",
        C(f"1 LOGIN {USER} tiger"),
        came("LOGIN"),
        Call("accept", LoggedIn(("Welcome",), (), (b"* OK [ALERT] Quota",))),
        S("* OK [ALERT] Quota", "1 OK Welcome"),
    ),
    after_greeting(
        "closing while the answer is awaited does not lose the login",
        C(f"1 LOGIN {USER} tiger"),
        came("LOGIN"),
        Close(),
        Call("refuse", WRONG),
        S("1 NO [AUTHENTICATIONFAILED] Wrong user name or password. (ref 7F3A)"),
        LEFT,
    ),
]

AUTHENTICATES = [
    after_greeting(
        "AUTHENTICATE PLAIN",
        C("1 AUTHENTICATE PLAIN"),
        S("+ "),
        C(PLAIN),
        came("AUTH PLAIN"),
        Call("accept", ACCEPTED),
        OK,
    ),
    after_greeting(
        "AUTHENTICATE PLAIN inline, with an identity, lower case",
        C("1 authenticate plain " + b64("boss\0anna\0tiger")),
        came("AUTH PLAIN", "anna", identity="boss"),
        Call("accept", ACCEPTED),
        OK,
    ),
    after_greeting(
        "P2 the same octets through PLAIN",
        C("1 AUTHENTICATE PLAIN " + b64(b'\0anna\0a\\b"\xff\xe4')),
        came("AUTH PLAIN", "anna", b'a\\b"\xff\xe4'),
    ),
    after_greeting(
        "AUTHENTICATE LOGIN",
        C("1 AUTHENTICATE LOGIN"),
        S("+ VXNlcm5hbWU6"),
        C(b64(USER)),
        S("+ UGFzc3dvcmQ6"),
        C(b64(PASSWORD)),
        came("AUTH LOGIN"),
        Call("accept", ACCEPTED),
        OK,
    ),
    after_greeting(
        "AUTHENTICATE LOGIN with the user name inline",
        C("1 AUTHENTICATE LOGIN " + b64(USER)),
        S("+ UGFzc3dvcmQ6"),
        C(b64(PASSWORD)),
        came("AUTH LOGIN"),
    ),
    after_greeting(
        "AUTHENTICATE with the longest line",
        C("1 AUTHENTICATE PLAIN"),
        S("+ "),
        C(b64("\0a\0" + "x" * 9213)),  # 12,288 octets
        came("AUTH PLAIN", "a", "x" * 9213),
    ),
    after_greeting(
        "AUTHENTICATE with a line that is too long",
        C("1 AUTHENTICATE PLAIN"),
        S("+ "),
        C(b64("\0a\0" + "x" * 9214)),
        Event(Abused("a line of more than 12288 octets")),
        Call("abort", ABUSE),
        S("* BYE [CLIENTBUG] Not a mail client. (ref BAD0)"),
    ),
    after_greeting(
        "AUTHENTICATE cancelled, then again",
        C("1 AUTHENTICATE PLAIN"),
        S("+ "),
        C("*"),
        S("1 BAD Authentication cancelled"),
        refused("AUTHENTICATE"),
        C("2 AUTHENTICATE LOGIN"),
        S("+ VXNlcm5hbWU6"),
        C("*"),
        S("2 BAD Authentication cancelled"),
        refused("AUTHENTICATE"),
        C(f"3 AUTHENTICATE PLAIN {PLAIN}"),
        came("AUTH PLAIN"),
    ),
    *[
        refused_login(f"P25 {name}", *said, answer=NO_CREDENTIALS, verb="AUTHENTICATE")
        for name, said in {
            "PLAIN with an empty password": ["1 AUTHENTICATE PLAIN " + b64("\0anna\0")],
            "PLAIN with an empty user name": ["1 AUTHENTICATE PLAIN " + b64("\0\0tiger")],
        }.items()
    ],
    after_greeting(
        "P25 LOGIN with an empty user name",
        C("1 AUTHENTICATE LOGIN ="),
        S("+ UGFzc3dvcmQ6"),
        C(b64("tiger")),
        NO_CREDENTIALS,
        refused("AUTHENTICATE"),
    ),
    *[
        refused_login(
            f"AUTHENTICATE PLAIN {name}", f"1 AUTHENTICATE PLAIN {initial}", answer=answer, verb="AUTHENTICATE"
        )
        for answer in [S("1 BAD Malformed credentials")]
        for name, initial in {
            "empty": "=",
            "not base64": "!!!!",
            "base64 without its padding": PLAIN.rstrip("="),
            "with one NUL": b64("anna\0tiger"),
            "with three NULs": b64("\0anna\0tiger\0"),
        }.items()
    ],
    *[
        refused_login(
            f"P19 {mechanism} is refused plainly",
            f"1 AUTHENTICATE {mechanism}",
            answer=S("1 NO Unsupported mechanism; use one of PLAIN, LOGIN, or the command LOGIN"),
            verb="AUTHENTICATE",
        )
        for mechanism in ["CRAM-MD5", "NTLM", "XOAUTH2 dXNlcj0="]
    ],
    refused_login("AUTHENTICATE without a mechanism", "1 AUTHENTICATE", answer=BAD_ARGUMENTS, verb="AUTHENTICATE"),
    refused_login("AUTHENTICATE with too much", "1 AUTHENTICATE PLAIN a b", answer=BAD_ARGUMENTS, verb="AUTHENTICATE"),
]

COMMANDS = [
    Dialogue.downstream(
        "P4 P5 P6 P26 Office 365's capabilities with ours, IMAP4rev1 first, ID kept",
        lambda: DownstreamImap(capabilities=OFFICE_365.split(), starttls=False),
        S(
            "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN IMAP4 UIDPLUS ID UNSELECT CHILDREN IDLE "
            "NAMESPACE LITERAL+] emailproxy ready"
        ),
        C("a CAPABILITY"),
        S(
            "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN IMAP4 UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE "
            "LITERAL+",
            "a OK CAPABILITY completed",
        ),
    ),
    Dialogue.downstream(
        "G2 Gmail's capabilities with ours",
        lambda: DownstreamImap(capabilities=GMAIL.split(), starttls=True),
        S(
            "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN STARTTLS UNSELECT IDLE NAMESPACE QUOTA ID XLIST "
            "CHILDREN X-GM-EXT-1 XYZZY] emailproxy ready"
        ),
    ),
    after_greeting(
        "P8 every kind of tag",
        *[
            step
            for tag in ["2.85", "ILPK1", "a]", "]", "!#$&',-./:;<=>?@[^_`|}~", "OK", "PROXY"]
            for step in (C(f"{tag} NOOP"), S(f"{tag} OK NOOP completed"))
        ],
    ),
    *[
        after_greeting(
            f"P8 no tag: {line!r}",
            C(b"0 NOOP\r\n"),
            S("0 OK NOOP completed"),
            C(line + b"\r\n"),
            S("* BAD A command is a tag, a space and a name"),
            refused("(unknown)"),
        )
        for line in [
            b"",
            b"a",
            b"+ NOOP",
            b"a+ NOOP",
            b"* NOOP",
            b"a(b NOOP",
            b'"a" NOOP',
            b"\xe4 NOOP",
            b" a NOOP",
            b"a  ",
        ]
    ],
    after_greeting(
        "P26 Apple Mail's ID before login",
        C('2.85 ID ("name" "Mac OS X Mail" "version" "16.0 (3731.600.7)" "os" NIL)'),
        S('* ID ("name" "emailproxy")', "2.85 OK ID completed"),
        C("2.86 ID NIL"),
        S('* ID ("name" "emailproxy")', "2.86 OK ID completed"),
    ),
    *[
        after_greeting(f"malformed ID {line!r}", C(f"1 ID{line}"), BAD_ARGUMENTS, refused("ID"))
        for line in [
            "",
            " ",
            ' ("name")',
            ' ("name" "x"',
            ' ("name""x")',
            " (name x)",
            ' ("a" "b") x',
            ' ("a" {3+}\r\na\r\n)',
        ]
    ],
    after_greeting(
        "commands that need a login",
        C("1 SELECT INBOX"),
        S("1 BAD Log in first"),
        refused("SELECT"),
        C("2 APPEND INBOX {20000000}"),
        S("2 BAD Log in first"),
        refused("APPEND"),
        C("3 APPEND INBOX {6+}\r\n4 NOOP"),
        S("3 BAD Log in first"),
        refused("APPEND"),
        C("4 XYZZY"),
        S("4 BAD Unknown command"),
        refused("(unknown)"),
        C("5 NOOP {5}"),
        S("5 BAD Unexpected arguments"),
        refused("NOOP"),
        C("{5}"),
        S("* BAD A command is a tag, a space and a name"),
        refused("(unknown)"),
        C("6 CAPABILITY x"),
        S("6 BAD Unexpected arguments"),
        refused("CAPABILITY"),
        C("7 LOGOUT x"),
        S("7 BAD Unexpected arguments"),
        refused("LOGOUT"),
        C("8 STARTTLS"),
        S("8 BAD STARTTLS is not offered"),
        refused("STARTTLS"),
    ),
    after_greeting(
        "a space too many at the end",
        C("1 NOOP ", "2 LOGOUT "),
        S("1 OK NOOP completed", "* BYE Logging out", "2 OK LOGOUT completed"),
        BYE,
    ),
    Dialogue.downstream(
        "P14 STARTTLS, then no more of it",
        tls,
        TLS_GREETING,
        C('0 ID ("name" "x")'),
        S('* ID ("name" "emailproxy")', "0 OK ID completed"),
        C("1 STARTTLS x"),
        S("1 BAD Unexpected arguments"),
        refused("STARTTLS"),
        C("1 STARTTLS"),
        S("1 OK Begin TLS negotiation now"),
        Event(StartTls()),
        Call("secured"),
        C("2 CAPABILITY"),
        S(f"* CAPABILITY {CAPABILITIES}", "2 OK CAPABILITY completed"),
        C("3 STARTTLS"),
        S("3 BAD STARTTLS is not offered"),
        refused("STARTTLS"),
        C(f"1 LOGIN {USER} tiger"),
        came("LOGIN"),
        Call("accept", ACCEPTED),
        OK,
    ),
    Dialogue.downstream(
        "data behind STARTTLS",
        tls,
        TLS_GREETING,
        C("1 STARTTLS", "2 NOOP"),
        Event(Abused("data behind STARTTLS")),
        Call("abort", ABUSE),
        S("* BYE [CLIENTBUG] Not a mail client. (ref BAD0)"),
        splittable=False,
    ),
    Dialogue.downstream(
        "closing instead of the TLS handshake",
        tls,
        TLS_GREETING,
        C("1 STARTTLS"),
        S("1 OK Begin TLS negotiation now"),
        Event(StartTls()),
        Close(),
        LEFT,
    ),
]


def abused(name: str, said: bytes, detail: str, *answers: S) -> Dialogue:
    return after_greeting(
        name,
        C(said),
        *answers,
        Event(Abused(detail)),
        Call("abort", ABUSE),
        S("* BYE [CLIENTBUG] Not a mail client. (ref BAD0)"),
    )


PROXY = (
    "the connection starts with a PROXY protocol header, which is not expected here: "
    "switch it off in the load balancer for this port, or write proxy_protocol = True and proxy_protocol_from"
)

ENDS = [
    abused("a line that is too long", b"1 LOGIN a " + b"x" * 8183 + b"\r\n", "a line of more than 8192 octets"),
    login("the longest line", f"1 LOGIN {USER} " + "x" * (8192 - 25), password="x" * (8192 - 25)),
    abused("a line without an end", b"x" * 8194, "a line of more than 8192 octets"),
    abused("P1 a literal that is too long", b"1 LOGIN a {8193}\r\n", "a literal of more than 8192 octets"),
    abused(
        "P1 a literal with a huge number", b"1 LOGIN {" + b"9" * 5000 + b"+}\r\n", "a literal of more than 8192 octets"
    ),
    abused("a long literal of a refused command", b"1 APPEND x {8193+}\r\n", "a literal of more than 8192 octets"),
    abused(
        "a command that is too long",
        b"1 ID (" + b"{8000+}\r\n%b " % (b"x" * 8000) * 4 + b"{8000+}\r\n",
        "a command of more than 32768 octets or 60 literals",
    ),
    abused(
        "a command with too many literals",
        b"1 ID (" + b"{0+}\r\n " * 61,
        "a command of more than 32768 octets or 60 literals",
    ),
    abused("P13 PROXY protocol version 2", b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c", PROXY),
    abused("P13 PROXY protocol version 1", b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 143\r\n", PROXY),
    abused(
        "TLS on a port without",
        b"\x16\x03\x01\x02\0\x01",
        "the connection starts with a TLS handshake, but this port expects plain text or STARTTLS: "
        "set the client to STARTTLS or no encryption, or give this server a certificate",
    ),
    after_greeting(
        "21 refused commands",
        *[step for _ in range(20) for step in (C("1 SELECT x"), S("1 BAD Log in first"), refused("SELECT"))],
        C("1 SELECT x"),
        S("1 BAD Log in first"),
        Event(Abused("20 refused commands")),
        C(b"1 NOOP\r\n"),
    ),
    after_greeting("closing at once", Close(), LEFT),
    after_greeting("closing in a line", C(b"1 LOG"), Close(), LEFT),
    after_greeting("closing in a literal", C(b"1 LOGIN {5+}\r\nann"), Close(), LEFT),
    after_greeting("closing in an exchange", C("1 AUTHENTICATE PLAIN"), S("+ "), Close(), LEFT),
    after_greeting("closing in what may be a PROXY header", C(b"PROXY"), Close(), LEFT),
    after_greeting(
        "a goodbye while a command is awaited",
        Call("abort", STOP),
        S("* BYE [UNAVAILABLE] Restarting. (ref 0FF0)"),
        LEFT,
    ),
    after_greeting(
        "a goodbye while the answer is awaited, once",
        C(f"1 LOGIN {USER} tiger"),
        came("LOGIN"),
        Call("abort", STOP),
        S("1 NO [UNAVAILABLE] Restarting. (ref 0FF0)", "* BYE [UNAVAILABLE] Restarting. (ref 0FF0)"),
        LEFT,
        Call("abort", LIMIT),
    ),
    after_greeting(
        "no goodbye after the client's own",
        C("1 LOGOUT"),
        S("* BYE Logging out", "1 OK LOGOUT completed"),
        BYE,
        Call("abort", STOP),
    ),
]

DIALOGUES = [*LOGINS, *AUTHENTICATES, *COMMANDS, *ENDS]
