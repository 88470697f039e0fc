"""What is an assertion, and who issues it? The contract of the group ``emailproxy.assertions``.

An assertion is a signed token (JWT) that a token endpoint accepts in place of a secret (RFC 7521): a cloud says who the
proxy is, and the provider trusts that cloud.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from emailproxy.secret import Secret

__all__ = ["Issuer", "IssuerAddress", "IssuerFactory", "Statement"]


@dataclass(frozen=True, slots=True)
class IssuerAddress:
    """Who issues an account's assertions, as the configuration names it. No secret; may be printed."""

    name: str
    """Names the issuer in the group: ``managed-identity``."""
    rest: str = ""
    """What stands behind the colon: which of several identities, or a path."""

    def __str__(self) -> str:
        shown = f"{self.name}:{self.rest}" if self.rest else self.name
        return shown if shown.isprintable() else ascii(shown)


@dataclass(frozen=True, slots=True)
class Statement:
    """What the assertion is to say."""

    audience: str
    """``aud``: for whom it is."""
    subject: str | None = None
    """``sub``: the mailbox that it speaks for, where the issuer may choose that."""
    scope: str | None = None
    """For what, where the issuer may choose that."""


class Issuer(Protocol):
    """Makes assertions.

    Implementations block, are called in worker threads, several at once, and end each call within ten seconds by
    themselves. Their errors name the address and what to do, and never a token.
    """

    def check(self, rest: str) -> None:
        """Could `issue` do something with this address? Asks nobody, but imports what is needed.

        Raises:
            StoreAddressError: it is malformed; the message says what would be right.
            ImportError: the SDK is not installed.
        """
        ...

    def issue(self, rest: str, statement: Statement) -> Secret:
        """A fresh assertion.

        Raises:
            StoreAddressError: the address leads nowhere.
            StoreDeniedError: a permission is missing, or this machine has no such identity.
            StoreContentError: what came is no assertion.
            StoreUnavailableError: it cannot be had now.
        """
        ...

    def close(self) -> None:
        """Release connections. Calling it twice is harmless."""
        ...


IssuerFactory = Callable[[], Issuer]
"""What an entry point of the group ``emailproxy.assertions`` loads."""
