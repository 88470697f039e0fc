"""Which row is behind a message that ends in its advice? And all rows, for whoever shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from emailproxy.causes.base import Cause
from emailproxy.causes.claims import CLAIMS
from emailproxy.causes.entra import AADSTS
from emailproxy.causes.mail_server import MAIL_SERVER
from emailproxy.causes.network import CLOCK_SKEW, NETWORK
from emailproxy.causes.oauth import CODES, SUBERRORS, TEXTS

__all__ = ["cause_told", "groups"]


def groups() -> Mapping[str, list[Cause]]:
    """All rows by what they are about."""
    return {
        "The mail server refuses the login": [row.cause for row in MAIL_SERVER],
        "The token is not what the mail server wants": list(CLAIMS),
        "The token endpoint refuses: Entra (Microsoft)": list(AADSTS.values()),
        "The token endpoint refuses: Google": [cause for _, cause in TEXTS],
        "The token endpoint refuses: everybody": [*CODES.values(), *SUBERRORS.values()],
        "The server cannot be reached, or is not trusted": [*NETWORK, CLOCK_SKEW],
    }


def cause_told(message: str) -> Cause | None:
    """The row of a token endpoint whose advice `message` gives, the one whose name it says before others."""
    told = [cause for cause in _token_rows() if f" -> {cause.advice}" in message]
    return next((cause for cause in told if cause.name in message), told[0] if told else None)


def _token_rows() -> Iterator[Cause]:
    yield from AADSTS.values()
    yield from SUBERRORS.values()
    for _, cause in TEXTS:
        yield cause
    yield from CODES.values()
