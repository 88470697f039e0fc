"""What must a POP3 client hear before login?"""

from emailproxy.protocols.events import Abused, LoggedIn, StartTls
from emailproxy.protocols.pop3 import DownstreamPop3
from emailproxy.testing.dialogue import C, Call, Close, Dialogue, Event, S, Step, Trailing
from tests.protocols.dialogues.common import (
    ABUSE,
    ADMIN,
    BYE,
    LATER,
    LEFT,
    PASSWORD,
    PLAIN,
    STOP,
    USER,
    WRONG,
    b64,
    came,
    refused,
)

GREETING = S("+OK emailproxy ready")
SEND_PASS = S("+OK Send PASS")
ACCEPTED = LoggedIn(("User successfully logged on.",))
OK = S("+OK User successfully logged on.")
NO_CREDENTIALS = S("-ERR [AUTH] A user name and a password are needed")
MALFORMED = S("-ERR Malformed credentials")
OURS = ("USER", "SASL PLAIN LOGIN", "RESP-CODES", "AUTH-RESP-CODE")


def plain() -> DownstreamPop3:
    return DownstreamPop3(capabilities=(), starttls=False)


def tls() -> DownstreamPop3:
    return DownstreamPop3(capabilities=(), starttls=True)


def after_greeting(name: str, *steps: Step) -> Dialogue:
    return Dialogue.downstream(name, plain, GREETING, *steps)


def capa(*lines: str) -> S:
    return S("+OK Capability list follows", *lines, ".")


def user_pass(name: str, password: bytes) -> Dialogue:
    return after_greeting(
        name,
        C(f"USER {USER}"),
        SEND_PASS,
        C(b"PASS " + password + b"\r\n"),
        came("USER/PASS", password=password),
        Call("accept", ACCEPTED),
        OK,
    )


def offered(name: str, capabilities: list[str], *lines: str) -> Dialogue:
    return Dialogue.downstream(
        name, lambda: DownstreamPop3(capabilities=capabilities, starttls=True), GREETING, C("CAPA"), capa(*lines)
    )


def abused(name: str, said: bytes, detail: str) -> Dialogue:
    return after_greeting(
        name, C(said), Event(Abused(detail)), Call("abort", ABUSE), S("-ERR Not a mail client. (ref BAD0)")
    )


LOGINS = [
    user_pass("USER and PASS", b"tiger"),
    user_pass("a password with spaces, one first and one last", b"  a b "),
    user_pass("P2 a password with backslash, quote and octets", b'a\\b"\xff\xe4\r'),
    user_pass("the longest password", b"x" * (8192 - 5)),
    after_greeting("a user name with a space", C("user anna b", "pass x"), SEND_PASS, came("USER/PASS", "anna b", "x")),
    after_greeting(
        "P3 wrong password, then right: USER is needed again",
        C(f"USER {USER}"),
        SEND_PASS,
        C("PASS wrong"),
        came("USER/PASS", password="wrong"),
        Call("refuse", WRONG),
        S("-ERR [AUTH] Wrong user name or password. (ref 7F3A)"),
        C("PASS tiger"),
        S("-ERR Send USER first"),
        refused("PASS"),
        C(f"USER {USER}", "PASS tiger"),
        SEND_PASS,
        came("USER/PASS"),
        Call("accept", ACCEPTED),
        OK,
        Trailing(b""),
    ),
    after_greeting(
        "P31 local failures are not wrong passwords",
        C("USER a", "PASS b"),
        SEND_PASS,
        came("USER/PASS", "a", "b"),
        Call("refuse", LATER),
        S("-ERR [SYS/TEMP] Please try again later. (ref 0B17)"),
        C("USER a", "PASS b"),
        SEND_PASS,
        came("USER/PASS", "a", "b"),
        Call("refuse", ADMIN),
        S("-ERR [SYS/PERM] Ask your administrator. (ref 00AD)"),
    ),
    after_greeting(
        "P27 pipelined: what follows PASS is left for the relay",
        C(f"USER {USER}\r\nPASS tiger\r\nSTAT\r\nRETR 1".encode()),
        SEND_PASS,
        came("USER/PASS"),
        Call("accept", LoggedIn(())),
        S("+OK Logged in"),
        C(b"\r\n"),
        Trailing(b"STAT\r\nRETR 1\r\n"),
    ),
    after_greeting(
        "P27 pipelined: what follows a refused PASS is answered",
        C("USER a", "PASS b", "STAT", "QUIT"),
        SEND_PASS,
        came("USER/PASS", "a", "b"),
        Call("refuse", WRONG),
        S("-ERR [AUTH] Wrong user name or password. (ref 7F3A)", "-ERR Log in first"),
        refused("STAT"),
        S("+OK Goodbye"),
        BYE,
    ),
    after_greeting(
        "P25 no user name", C("USER"), NO_CREDENTIALS, refused("USER"), C("USER "), NO_CREDENTIALS, refused("USER")
    ),
    after_greeting("P25 no password", C("USER a", "PASS"), SEND_PASS, NO_CREDENTIALS, refused("PASS")),
    after_greeting("PASS without USER", C("PASS b"), S("-ERR Send USER first"), refused("PASS")),
    after_greeting("NUL in a password", C("USER a", b"PASS b\0\r\n"), SEND_PASS, MALFORMED, refused("PASS")),
]

AUTHS = [
    after_greeting("AUTH PLAIN", C("AUTH PLAIN"), S("+ "), C(PLAIN), came("AUTH PLAIN"), Call("accept", ACCEPTED), OK),
    after_greeting(
        "AUTH PLAIN inline, with an identity, lower case",
        C("auth plain " + b64("boss\0anna\0tiger")),
        came("AUTH PLAIN", "anna", identity="boss"),
    ),
    after_greeting(
        "AUTH LOGIN",
        C("AUTH LOGIN"),
        S("+ VXNlcm5hbWU6"),
        C(b64(USER)),
        S("+ UGFzc3dvcmQ6"),
        C(b64(PASSWORD)),
        came("AUTH LOGIN"),
        Call("accept", ACCEPTED),
        OK,
    ),
    after_greeting(
        "P18 AUTH LOGIN with the user name inline, pipelined",
        C("AUTH LOGIN " + b64(USER), b64(PASSWORD), "STAT"),
        S("+ UGFzc3dvcmQ6"),
        came("AUTH LOGIN"),
        Call("accept", ACCEPTED),
        OK,
        Trailing(b"STAT\r\n"),
    ),
    after_greeting("bare AUTH lists", C("AUTH"), S("+OK Mechanisms follow", "PLAIN", "LOGIN", ".")),
    after_greeting(
        "AUTH cancelled",
        C("AUTH LOGIN"),
        S("+ VXNlcm5hbWU6"),
        C("*"),
        S("-ERR Authentication cancelled"),
        refused("AUTH"),
    ),
    *[
        after_greeting(f"AUTH {name}", C(f"AUTH {argument}"), answer, refused("AUTH"), C("NOOP"), S("+OK Nothing done"))
        for name, argument, answer in [
            ("P25 with an empty password", "PLAIN " + b64("\0anna\0"), NO_CREDENTIALS),
            ("with an empty response", "PLAIN =", MALFORMED),
            ("that is not base64", "PLAIN a:b", MALFORMED),
            ("with too much", "PLAIN a b", S("-ERR AUTH takes a mechanism and an initial response")),
            (
                "P19 of another kind",
                "NTLM",
                S("-ERR Unsupported mechanism; use one of PLAIN, LOGIN, or the command USER"),
            ),
        ]
    ],
    after_greeting(
        "AUTH with a line that is too long",
        C("AUTH PLAIN"),
        S("+ "),
        C(b"x" * 12_290),
        Event(Abused("a line of more than 12288 octets")),
    ),
]

COMMANDS = [
    after_greeting("CAPA while nothing is known", C("CAPA"), capa("TOP", "UIDL", *OURS)),
    offered("P-O2 Office 365", ["TOP", "UIDL", "SASL PLAIN XOAUTH2"], "TOP", "UIDL", *OURS, "STLS"),
    offered("P-O2 Office 365 on port 110", ["TOP", "UIDL", "STLS"], "TOP", "UIDL", *OURS, "STLS"),
    offered(
        "P-G2 Gmail",
        [
            "USER",
            "RESP-CODES",
            "EXPIRE 0",
            "LOGIN-DELAY 300",
            "TOP",
            "UIDL",
            "X-GOOGLE-RICO",
            "SASL PLAIN XOAUTH2 OAUTHBEARER",
        ],
        "EXPIRE 0",
        "LOGIN-DELAY 300",
        "TOP",
        "UIDL",
        "X-GOOGLE-RICO",
        *OURS,
        "STLS",
    ),
    Dialogue.downstream(
        "P14 P15 STLS, then no more of it",
        tls,
        GREETING,
        C("CAPA", "USER a"),
        capa("TOP", "UIDL", *OURS, "STLS"),
        SEND_PASS,
        C("STLS x"),
        S("-ERR STLS takes no argument"),
        refused("STLS"),
        C("STLS"),
        S("+OK Begin TLS negotiation now"),
        Event(StartTls()),
        Call("secured"),
        C("CAPA"),
        capa("TOP", "UIDL", *OURS),
        C("STLS"),
        S("-ERR STLS is not offered"),
        refused("STLS"),
        C("PASS b"),
        S("-ERR Send USER first"),
        refused("PASS"),
    ),
    Dialogue.downstream(
        "data behind STLS",
        tls,
        GREETING,
        C("STLS", "CAPA"),
        Event(Abused("data behind STLS")),
        Call("abort", ABUSE),
        S("-ERR Not a mail client. (ref BAD0)"),
        splittable=False,
    ),
    after_greeting(
        "commands that need a login, and others",
        *[
            step
            for verb in ("STAT", "LIST", "RETR", "DELE", "TOP", "UIDL")
            for step in (C(f"{verb} 1"), S("-ERR Log in first"), refused(verb))
        ],
        *[
            step
            for line in (PLAIN, "", "APOP a b")
            for step in (C(line), S("-ERR Unknown command"), refused("(unknown)"))
        ],
        *[
            step
            for verb in ("CAPA", "NOOP", "QUIT")
            for step in (C(f"{verb} x"), S(f"-ERR {verb} takes no argument"), refused(verb))
        ],
        C("quit"),
        S("+OK Goodbye"),
        BYE,
        Call("abort", STOP),
    ),
]

ENDS = [
    abused("a line that is too long", b"USER " + b"x" * 8188 + b"\r\n", "a line of more than 8192 octets"),
    abused("a line without an end", b"x" * 8194, "a line of more than 8192 octets"),
    abused(
        "P13 PROXY protocol version 2",
        b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c",
        "the connection starts with a PROXY protocol header, which is not expected here: "
        "switch it off in the load balancer for this port, or write proxy_protocol = True and proxy_protocol_from",
    ),
    after_greeting(
        "21 refused commands",
        *[step for _ in range(20) for step in (C("STAT"), S("-ERR Log in first"), refused("STAT"))],
        C("STAT"),
        S("-ERR Log in first"),
        Event(Abused("20 refused commands")),
    ),
    after_greeting("closing at once", Close(), LEFT),
    after_greeting("closing in a line", C(b"USER a"), Close(), LEFT),
    after_greeting("closing in an exchange", C("AUTH LOGIN"), S("+ VXNlcm5hbWU6"), Close(), LEFT),
    Dialogue.downstream(
        "closing instead of the TLS handshake",
        tls,
        GREETING,
        C("STLS"),
        S("+OK Begin TLS negotiation now"),
        Event(StartTls()),
        Close(),
        LEFT,
    ),
    after_greeting(
        "a goodbye while a command is awaited", Call("abort", STOP), S("-ERR [SYS/TEMP] Restarting. (ref 0FF0)"), LEFT
    ),
    after_greeting(
        "a goodbye while the answer is awaited, one line for both",
        C("USER a", "PASS b"),
        SEND_PASS,
        came("USER/PASS", "a", "b"),
        Call("abort", STOP),
        S("-ERR [SYS/TEMP] Restarting. (ref 0FF0)"),
        LEFT,
    ),
]

DIALOGUES = [*LOGINS, *AUTHS, *COMMANDS, *ENDS]
