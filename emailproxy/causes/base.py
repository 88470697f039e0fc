"""What is a row of the table? Words that were said, what they mean, what to do, and who published them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Cause", "Meaning"]


class Meaning(enum.Enum):
    """What a refusal of a token endpoint says about the grant."""

    PERMANENT = "permanent"
    TEMPORARY = "temporary"
    MISCONFIGURED = "misconfigured"


@dataclass(frozen=True, slots=True)
class Cause:
    """A known cause."""

    name: str
    """Identifies the row, e.g. ``AADSTS70043``; stable, for programs."""
    advice: str
    """The one thing to do, for the operator: a sentence without a capital or a full stop."""
    source: str
    """Where the words and their meaning were published."""
    said: str = ""
    """The words, or their recognisable part, as published; empty where the name is all that is said."""
    meaning: Meaning = Meaning.MISCONFIGURED
