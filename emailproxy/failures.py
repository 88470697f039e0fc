"""Why did a login fail, and what is it called? The kinds a client can be told, and the root of our exceptions."""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass, field

__all__ = ["Failure", "FailureKind", "LoginFailed", "ProxyError", "new_reference"]


class FailureKind(enum.Enum):
    """Whose fault it is; decides the code the client hears (`emailproxy.protocols.replies`)."""

    WRONG_CREDENTIALS = "wrong credentials"
    """User name or password is wrong. Only this one may make a client forget its saved password."""
    TEMPORARY = "temporary"
    """Token endpoint, store or upstream is down, or consent is pending: the same login may work later."""
    MISCONFIGURED = "misconfigured"
    """Unknown account, refused client id, store denied: a person must change something."""
    PROTOCOL_ABUSE = "protocol abuse"
    """The client broke a limit or a rule in a way that ends the session."""
    LIMIT = "limit"
    """Too many connections."""
    SHUTTING_DOWN = "shutting down"
    """The proxy is draining."""


def new_reference() -> str:
    """Four hexadecimal digits that tie the client's sentence to the operator's log line."""
    return secrets.token_hex(2).upper()


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed login (or refused connection), told twice: `text` to the client, `detail` to the operator."""

    kind: FailureKind
    text: str
    """One sentence of ours for the mail client: ASCII, no CR or LF, nothing from outside."""
    detail: str
    """The whole story for the log: the provider's code and words, and what to do. Never a secret."""
    reference: str = field(default_factory=new_reference)
    """Printed behind `text` as ``(ref 7F3A)`` and in the log line."""


class ProxyError(Exception):
    """Root of every error that emailproxy raises on purpose."""


class LoginFailed(ProxyError):  # noqa: N818 - an outcome that travels as an exception
    """A login cannot go on; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure
