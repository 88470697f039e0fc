"""What is a person asked to do? Open an address, and for some flows enter a code there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

__all__ = ["LIFETIME", "Question"]

LIFETIME: Final = 900.0
"""Seconds that a person has: signing in with a second factor takes minutes, and codes live ten at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one authorisation shows to a person."""

    url: str
    """What the person opens; the one that a QR code and a link hold."""
    state: str = field(repr=False)
    """The secret that a redirect brings back, part of `url`; for a device code nothing that anybody ever sees."""
    user_code: str | None = None
    """What is entered (RFC 8628); None: nothing, the browser brings the answer back."""
    page: str | None = None
    """Where the code is entered by hand, if `url` has it in it already."""
    lifetime: float = LIFETIME
    """Seconds."""

    @property
    def instruction(self) -> str:
        """A clause that tells the person what to do."""
        if self.user_code is None:
            return f"open {self.url}"
        if self.page is None or self.page == self.url:
            return f"open {self.url} and enter the code {self.user_code}"
        # RFC 8628 section 3.3.1: the code is shown all the same, so that the person can compare it.
        return f"open {self.url} and compare the code {self.user_code}, or enter it at {self.page}"
