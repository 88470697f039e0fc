"""What do all dialogues use? One user, one token, the failures of the driver."""

from base64 import b64encode
from typing import Literal

from emailproxy.failures import Failure, FailureKind
from emailproxy.protocols.events import CommandRefused, Credentials, CredentialsReceived, LoggedOut
from emailproxy.protocols.sasl import UpstreamLogin
from emailproxy.secret import Secret
from emailproxy.testing.dialogue import Event

USER = "anna@example.com"
PASSWORD = "tiger"
TOKEN = "EwB4A8l6BAAUbDba3x2OMJElkF7gJ4z/VbCPEz0AAdYe"
LOGIN = UpstreamLogin(USER, Secret(TOKEN), "outlook.office365.com", 993)
WRONG = Failure(FailureKind.WRONG_CREDENTIALS, "Wrong user name or password.", "detail", "7F3A")
LATER = Failure(FailureKind.TEMPORARY, "Please try again later.", "detail", "0B17")
ADMIN = Failure(FailureKind.MISCONFIGURED, "Ask your administrator.", "detail", "00AD")
ABUSE = Failure(FailureKind.PROTOCOL_ABUSE, "Not a mail client.", "detail", "BAD0")
STOP = Failure(FailureKind.SHUTTING_DOWN, "Restarting.", "detail", "0FF0")
LIMIT = Failure(FailureKind.LIMIT, "Too many connections.", "detail", "0111")

LEFT = Event(LoggedOut(by_command=False))
BYE = Event(LoggedOut(by_command=True))


def b64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


PLAIN = b64(f"\0{USER}\0{PASSWORD}")
XOAUTH2 = b64(f"user={USER}\1auth=Bearer {TOKEN}\1\1")
OAUTHBEARER = b64(f"n,a={USER},\1host=outlook.office365.com\1port=993\1auth=Bearer {TOKEN}\1\1")
GOOGLE_CHALLENGE = "eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvbS8ifQ=="
GOOGLE_JSON = '{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}'


def came(
    mechanism: Literal["LOGIN", "AUTH PLAIN", "AUTH LOGIN", "USER/PASS"],
    user: str = USER,
    password: str | bytes = PASSWORD,
    identity: str | None = None,
) -> Event:
    octets = password.encode() if isinstance(password, str) else password
    return Event(CredentialsReceived(Credentials(user, Secret.from_octets(octets), mechanism, identity)))


def refused(command: str) -> Event:
    return Event(CommandRefused(command))
