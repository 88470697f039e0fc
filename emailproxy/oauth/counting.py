"""What is counted of token requests, and what can be said of the tokens that are held? For whoever watches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from emailproxy.causes.oauth import CODES

__all__ = ["OK", "OTHER", "UNANSWERED", "Holding", "TokenRequests"]

OK: Final = "ok"
UNANSWERED: Final = "unanswered"
"""There was no usable answer, or a server's own error without a code."""
OTHER: Final = "other"
"""A code that is not in `emailproxy.causes.oauth.CODES`: a provider must not be able to fill the memory with names."""

_PREFIX: Final = "urn:ietf:params:oauth:grant-type:"


class TokenRequests:
    """Requests to token endpoints since the start.

    Attributes:
        answers: how many, by grant and by ``error`` code of the answer (or `OK`, `UNANSWERED`, `OTHER`).
        seconds: how long they took together.
    """

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str]] = Counter()
        self.seconds = 0.0

    def note(self, grant: str, code: str, seconds: float) -> None:
        """One request was answered, or given up."""
        known = code if code in CODES or code in (OK, UNANSWERED) else OTHER
        self.answers[grant.removeprefix(_PREFIX), known] += 1
        self.seconds += seconds


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held in memory for one account, without its name."""

    managed: bool
    """It has app passwords."""
    expires_at: float | None
    """Unix time at which its access token ends; None: there is none."""
    refresh_issued: int | None
    """Unix time at which its refresh token was given; None: there is none, or nobody knows."""
