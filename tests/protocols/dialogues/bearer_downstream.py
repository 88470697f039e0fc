"""What must a client hear that brings its own token? All three protocols, where the listener passes tokens on."""

from collections.abc import Iterator
from dataclasses import dataclass

from emailproxy.protocols.events import Abused, LoggedIn, TokenCredentials, TokenReceived
from emailproxy.protocols.imap import DownstreamImap
from emailproxy.protocols.pop3 import DownstreamPop3
from emailproxy.protocols.sasl import MAX_SASL_LINE
from emailproxy.protocols.smtp import DownstreamSmtp
from emailproxy.secret import Secret
from emailproxy.testing.dialogue import C, Call, Close, Dialogue, Event, Machine, S, Step, Trailing
from tests.protocols.dialogues.common import (
    LATER,
    LEFT,
    LIMIT,
    OAUTHBEARER,
    PLAIN,
    TOKEN,
    USER,
    WRONG,
    XOAUTH2,
    b64,
    came,
    refused,
)

INVALID = {
    "XOAUTH2": b64('{"status":"401","schemes":"bearer"}'),
    "OAUTHBEARER": b64('{"status":"invalid_token","schemes":"bearer"}'),
}
RESPONSES = {"XOAUTH2": XOAUTH2, "OAUTHBEARER": OAUTHBEARER}
LONG = "t" * 8000
NAMELESS = b64(f"n,,\1auth=Bearer {TOKEN}\1\1")


def token(mechanism: str, value: str = TOKEN, user: str = USER) -> Event:
    return Event(TokenReceived(TokenCredentials(user, Secret(value), mechanism)))


@dataclass(frozen=True)
class Words:
    """How a protocol says what all three say."""

    verb: str
    opening: tuple[Step, ...]
    offer: tuple[Step, ...]
    auth: str
    go_on: str
    wrong: str
    later: str
    limit: tuple[str, ...]
    """The goodbye of a login that was told already why it failed."""
    nothing: str
    malformed: str
    cancelled: str
    accepted: str

    def machine(self) -> Machine:
        match self.verb:
            case "AUTHENTICATE":
                return DownstreamImap(capabilities=(), starttls=False, pass_tokens=True)
            case "AUTH" if self.go_on == "334 ":
                return DownstreamSmtp(capabilities=(), starttls=False, hostname="mx.local", pass_tokens=True)
            case _:
                return DownstreamPop3(capabilities=(), starttls=False, pass_tokens=True)


OFFER = "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER ID NAMESPACE IDLE UIDPLUS"
IMAP = Words(
    verb="AUTHENTICATE",
    opening=(S(f"* OK [CAPABILITY {OFFER}] emailproxy ready"),),
    offer=(C("1 CAPABILITY"), S(f"* CAPABILITY {OFFER}", "1 OK CAPABILITY completed")),
    auth="1 AUTHENTICATE",
    go_on="+ ",
    wrong="1 NO [AUTHENTICATIONFAILED] Wrong user name or password. (ref 7F3A)",
    later="1 NO [UNAVAILABLE] Please try again later. (ref 0B17)",
    limit=("* BYE [LIMIT] Too many connections. (ref 0111)",),
    nothing="1 NO [AUTHENTICATIONFAILED] A user name and a token are needed",
    malformed="1 BAD Malformed credentials",
    cancelled="1 BAD Authentication cancelled",
    accepted="1 OK hello",
)
POP3 = Words(
    verb="AUTH",
    opening=(S("+OK emailproxy ready"),),
    offer=(
        C("CAPA"),
        S(
            "+OK Capability list follows", "TOP", "UIDL", "USER", "SASL PLAIN LOGIN XOAUTH2 OAUTHBEARER", "RESP-CODES",
            "AUTH-RESP-CODE", ".",
        ),
        C("AUTH"),
        S("+OK Mechanisms follow", "PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "."),
    ),
    auth="AUTH",
    go_on="+ ",
    wrong="-ERR [AUTH] Wrong user name or password. (ref 7F3A)",
    later="-ERR [SYS/TEMP] Please try again later. (ref 0B17)",
    limit=("-ERR [SYS/TEMP] Too many connections. (ref 0111)",),
    nothing="-ERR [AUTH] A user name and a token are needed",
    malformed="-ERR Malformed credentials",
    cancelled="-ERR Authentication cancelled",
    accepted="+OK hello",
)  # fmt: skip
EHLO = ("250-mx.local", "250-8BITMIME", "250 AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER")
SMTP = Words(
    verb="AUTH",
    opening=(S("220 mx.local ESMTP emailproxy ready"), C("EHLO client"), S(*EHLO)),
    offer=(C("EHLO again"), S(*EHLO)),
    auth="AUTH",
    go_on="334 ",
    wrong="535 5.7.8 Wrong user name or password. (ref 7F3A)",
    later="454 4.7.0 Please try again later. (ref 0B17)",
    limit=("421 4.7.0 Too many connections. (ref 0111)",),
    nothing="535 5.7.8 A user name and a token are needed",
    malformed="501 5.5.2 Malformed credentials",
    cancelled="501 5.7.0 Authentication cancelled",
    accepted="235 hello",
)


def _dialogues(words: Words) -> Iterator[Dialogue]:
    def say(name: str, *steps: Step, splittable: bool = True) -> Dialogue:
        return Dialogue.downstream(f"token: {name}", words.machine, *words.opening, *steps, splittable=splittable)

    accept = (Call("accept", LoggedIn(("hello",))), S(words.accepted))
    yield say("the mechanisms are offered", *words.offer)
    for mechanism, response in RESPONSES.items():
        asked = (C(f"{words.auth} {mechanism}"), S(words.go_on))
        invalid = S(words.go_on + INVALID[mechanism])
        yield say(f"P21 {mechanism} in two lines", *asked, C(response), token(mechanism), *accept)
        yield say(f"{mechanism} inline", C(f"{words.auth} {mechanism.lower()} {response}"), token(mechanism), *accept)
        yield say(
            f"{mechanism}: what comes behind it is kept",
            C(f"{words.auth} {mechanism} {response}", "NOOP"),
            token(mechanism),
            *accept,
            Trailing(b"NOOP\r\n"),
        )
        yield say(
            f"P23 G5 {mechanism}: the error, the acknowledgement, the refusal, and another try with a password",
            *asked,
            C(response),
            token(mechanism),
            Call("refuse", WRONG),
            invalid,
            C("AQ=="),
            S(words.wrong),
            C(f"{words.auth} PLAIN {PLAIN}"),
            came("AUTH PLAIN"),
            *accept,
        )
        yield say(
            f"S-G2 {mechanism}: an empty acknowledgement",
            *asked,
            C(response),
            token(mechanism),
            Call("refuse", WRONG),
            invalid,
            C(""),
            S(words.wrong),
        )
        yield say(
            f"{mechanism}: trouble of another kind is told at once",
            *asked,
            C(response),
            token(mechanism),
            Call("refuse", LATER),
            S(words.later),
        )
        yield say(
            f"{mechanism}: away before the acknowledgement",
            *asked,
            C(response),
            token(mechanism),
            Call("refuse", WRONG),
            invalid,
            Close(),
            LEFT,
        )
        told = () if words is POP3 else (words.wrong,)
        yield say(
            f"{mechanism}: sent away before the acknowledgement",
            *asked,
            C(response),
            token(mechanism),
            Call("refuse", WRONG),
            invalid,
            Call("abort", LIMIT),
            S(*told, *words.limit),
            LEFT,
        )
        yield say(f"{mechanism}: cancelled", *asked, C("*"), S(words.cancelled), refused(words.verb))
        yield say(f"{mechanism}: not base64", *asked, C("x"), S(words.malformed), refused(words.verb))
        yield say(f"{mechanism}: no such form", *asked, C(PLAIN), S(words.malformed), refused(words.verb))
        yield say(
            f"{mechanism}: too long",
            *asked,
            C(b"A" * (MAX_SASL_LINE + 2)),
            Event(Abused(f"a line of more than {MAX_SASL_LINE} octets")),
            splittable=False,
        )
    yield say(
        "a long token inline",
        C(f"{words.auth} XOAUTH2 {b64(f'user={USER}{chr(1)}auth=Bearer {LONG}{chr(1)}{chr(1)}')}"),
        token("XOAUTH2", LONG),
    )
    yield say(
        "a client that only asks what is wanted",
        C(f"{words.auth} OAUTHBEARER {b64(f'n,a={USER},{chr(1)}auth={chr(1)}{chr(1)}')}"),
        S(words.go_on + INVALID["OAUTHBEARER"]),
        C("AQ=="),
        S(words.nothing),
        refused(words.verb),
    )
    yield say(
        "a token without a user name",
        C(f"{words.auth} OAUTHBEARER {NAMELESS}"),
        S(words.go_on + INVALID["OAUTHBEARER"]),
        C("AQ=="),
        S(words.nothing),
        refused(words.verb),
    )


DIALOGUES = [*_dialogues(IMAP), *_dialogues(POP3), *_dialogues(SMTP)]
