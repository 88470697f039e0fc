"""What must a client hear that proves that it knows a password, or has a certificate? All three protocols.

The SCRAM exchange is the example of RFC 7677 (section 3), the other one that of RFC 2195 (section 2).
"""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass

from emailproxy.protocols.events import Confirmed, LoggedIn, ProofReceived
from emailproxy.protocols.exchanges import CramExchange, Exchanges, ExternalExchange, ScramExchange
from emailproxy.protocols.imap import DownstreamImap
from emailproxy.protocols.pop3 import DownstreamPop3
from emailproxy.protocols.proofs import CramProof, ExternalProof, Proof, ScramProof
from emailproxy.protocols.smtp import DownstreamSmtp
from emailproxy.testing.dialogue import C, Call, Close, Dialogue, Event, Machine, S, Step, Trailing
from tests.protocols.dialogues.common import LATER, LEFT, WRONG, b64, refused

SALT = b"[m\x99h\x9d\x12\x35\x8e\xec\xa0K\x14\x126\xfa\x81"
CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CLIENT_FIRST = f"n,,n=user,r={CLIENT_NONCE}"
SERVER_FIRST = f"r={CLIENT_NONCE}{SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
WITHOUT = f"c=biws,r={CLIENT_NONCE}{SERVER_NONCE}"
PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
CLIENT_FINAL = f"{WITHOUT},p={PROOF}"
SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
SCRAM = ScramProof(
    "user",
    None,
    SALT,
    4096,
    f"n=user,r={CLIENT_NONCE},{SERVER_FIRST},{WITHOUT}".encode(),
    b64decode(PROOF),
)
CHALLENGE = "<1896.697170952@postoffice.reston.mci.net>"
DIGEST = "b913a602c7eda7a495b4e6e7334d3890"
CRAM = CramProof("tim", CHALLENGE.encode(), DIGEST.encode())

EXCHANGES: Exchanges = {
    "SCRAM-SHA-256": lambda: ScramExchange(SERVER_NONCE, lambda _: SALT),
    "CRAM-MD5": lambda: CramExchange(CHALLENGE),
    "EXTERNAL": ExternalExchange,
}


@dataclass(frozen=True)
class Words:
    """How a protocol says what all three say."""

    verb: str
    opening: tuple[Step, ...]
    auth: str
    go_on: str
    wrong: str
    later: str
    nothing: str
    malformed: str
    cancelled: str
    accepted: str

    def machine(self) -> Machine:
        match self.verb:
            case "AUTHENTICATE":
                return DownstreamImap(capabilities=(), starttls=False, exchanges=EXCHANGES)
            case "AUTH" if self.go_on == "334 ":
                return DownstreamSmtp(capabilities=(), starttls=False, hostname="mx.local", exchanges=EXCHANGES)
            case _:
                return DownstreamPop3(capabilities=(), starttls=False, exchanges=EXCHANGES)


OFFER = (
    "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256 AUTH=CRAM-MD5 AUTH=EXTERNAL ID NAMESPACE IDLE UIDPLUS"
)
IMAP = Words(
    verb="AUTHENTICATE",
    opening=(S(f"* OK [CAPABILITY {OFFER}] emailproxy ready"),),
    auth="1 AUTHENTICATE",
    go_on="+ ",
    wrong="1 NO [AUTHENTICATIONFAILED] Wrong user name or password. (ref 7F3A)",
    later="1 NO [UNAVAILABLE] Please try again later. (ref 0B17)",
    nothing="1 NO [AUTHENTICATIONFAILED] A user name and a password are needed",
    malformed="1 BAD Malformed credentials",
    cancelled="1 BAD Authentication cancelled",
    accepted="1 OK hello",
)
POP3 = Words(
    verb="AUTH",
    opening=(S("+OK emailproxy ready"),),
    auth="AUTH",
    go_on="+ ",
    wrong="-ERR [AUTH] Wrong user name or password. (ref 7F3A)",
    later="-ERR [SYS/TEMP] Please try again later. (ref 0B17)",
    nothing="-ERR [AUTH] A user name and a password are needed",
    malformed="-ERR Malformed credentials",
    cancelled="-ERR Authentication cancelled",
    accepted="+OK hello",
)
SMTP = Words(
    verb="AUTH",
    opening=(
        S("220 mx.local ESMTP emailproxy ready"),
        C("EHLO client"),
        S("250-mx.local", "250-8BITMIME", "250 AUTH PLAIN LOGIN SCRAM-SHA-256 CRAM-MD5 EXTERNAL"),
    ),
    auth="AUTH",
    go_on="334 ",
    wrong="535 5.7.8 Wrong user name or password. (ref 7F3A)",
    later="454 4.7.0 Please try again later. (ref 0B17)",
    nothing="535 5.7.8 A user name and a password are needed",
    malformed="501 5.5.2 Malformed credentials",
    cancelled="501 5.7.0 Authentication cancelled",
    accepted="235 hello",
)


def _dialogues(words: Words) -> Iterator[Dialogue]:
    def say(name: str, *steps: Step) -> Dialogue:
        return Dialogue.downstream(f"proof: {name}", words.machine, *words.opening, *steps)

    def came(proof: Proof) -> Event:
        return Event(ProofReceived(proof))

    accept = (Call("accept", LoggedIn(("hello",))), S(words.accepted))
    first = (C(f"{words.auth} SCRAM-SHA-256 {b64(CLIENT_FIRST)}"), S(words.go_on + b64(SERVER_FIRST)))
    proven = (*first, C(b64(CLIENT_FINAL)), came(SCRAM))
    confirmed = (Call("confirm", SERVER_FINAL.encode()), S(words.go_on + b64(SERVER_FINAL)))
    yield say("SCRAM of RFC 7677", *proven, *confirmed, C(""), Event(Confirmed()), *accept)
    yield say(
        "SCRAM in small letters, without an initial response, and with a tail",
        C(f"{words.auth} scram-sha-256"),
        S(words.go_on),
        C(b64(CLIENT_FIRST)),
        S(words.go_on + b64(SERVER_FIRST)),
        C(b64(CLIENT_FINAL)),
        came(SCRAM),
        *confirmed,
        C("", b"and more"),
        Event(Confirmed()),
        *accept,
        Trailing(b"and more"),
    )
    yield say(
        "a wrong SCRAM proof, then the same again",
        *proven,
        Call("refuse", WRONG),
        S(words.wrong),
        *proven,
        Call("refuse", WRONG),
        S(words.wrong),
    )
    yield say(
        "the mail server cannot be reached after the confirmation",
        *proven,
        *confirmed,
        C(""),
        Event(Confirmed()),
        Call("refuse", LATER),
        S(words.later),
    )
    yield say("the client does not believe us", *proven, *confirmed, C("*"), S(words.cancelled), refused(words.verb))
    yield say("the client leaves before the confirmation", *proven, *confirmed, Close(), LEFT)
    yield say("SCRAM cancelled", *first, C("*"), S(words.cancelled), refused(words.verb))
    for what, message in {
        "channel binding that is not offered": CLIENT_FIRST.replace("n,,", "p=tls-unique,,"),
        "a mandatory extension": CLIENT_FIRST.replace("n=user", "m=x,n=user"),
        "no nonce": "n,,n=user",
        "a very long nonce": f"n,,n=user,r={'x' * 1000}",
        "nothing": "",
    }.items():
        yield say(
            f"SCRAM with {what}", C(f"{words.auth} SCRAM-SHA-256"), S(words.go_on), C(b64(message)),
            S(words.malformed), refused(words.verb),
        )  # fmt: skip
    for what, message in {
        "another nonce": CLIENT_FINAL.replace("k0,p", "k1,p"),
        "another channel binding": CLIENT_FINAL.replace("biws", "eSws"),
        "a short proof": f"{WITHOUT},p={b64('short')}",
        "no proof": WITHOUT,
    }.items():
        yield say(f"SCRAM with {what}", *first, C(b64(message)), S(words.malformed), refused(words.verb))
    for what, name in {"a bad escape": "a=b", "a line break": "a\r\nb"}.items():
        yield say(
            f"SCRAM for a user with {what}", C(f"{words.auth} SCRAM-SHA-256 {b64(f'n,,n={name},r=x')}"),
            S(words.nothing), refused(words.verb),
        )  # fmt: skip
    asked = (C(f"{words.auth} CRAM-MD5"), S(words.go_on + b64(CHALLENGE)))
    yield say("CRAM-MD5 of RFC 2195", *asked, C(b64(f"tim {DIGEST}")), came(CRAM), *accept)
    yield say("CRAM-MD5 refused", *asked, C(b64(f"tim {DIGEST}")), came(CRAM), Call("refuse", WRONG), S(words.wrong))
    yield say("CRAM-MD5 without a user", *asked, C(b64(f" {DIGEST}")), S(words.nothing), refused(words.verb))
    for answer in ("tim", f"tim {DIGEST[:-1]}", f"tim {DIGEST.upper()}"):
        yield say(f"CRAM-MD5: {answer}", *asked, C(b64(answer)), S(words.malformed), refused(words.verb))
    yield say(
        "CRAM-MD5 with an initial response",
        C(f"{words.auth} CRAM-MD5 {b64('tim')}"), S(words.malformed), refused(words.verb),
    )  # fmt: skip
    yield say("EXTERNAL", C(f"{words.auth} EXTERNAL ="), came(ExternalProof(None)), *accept)
    yield say(
        "EXTERNAL in two steps, for somebody",
        C(f"{words.auth} EXTERNAL"), S(words.go_on), C(b64("anna@example.com")),
        came(ExternalProof("anna@example.com")), *accept,
    )  # fmt: skip
    yield say("EXTERNAL cancelled", C(f"{words.auth} EXTERNAL"), S(words.go_on), C("*"), S(words.cancelled),
              refused(words.verb))  # fmt: skip


DIALOGUES = [dialogue for words in (IMAP, POP3, SMTP) for dialogue in _dialogues(words)]
