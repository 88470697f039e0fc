"""How does a password or token travel without ever being printed? As a `Secret`."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

__all__ = ["Secret"]

MASK: Final = "[secret]"


class Secret:
    """A text that no log, traceback, ``repr``, format string or pickle shows.

    Passwords come from the wire as octets in no declared charset; `from_octets` keeps them exactly (surrogate escapes)
    and `octets` gives the same octets back, so a password means the same through LOGIN, PLAIN and USER/PASS.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def from_octets(cls, octets: bytes) -> Secret:
        """Keep `octets` as they are: UTF-8 where they are UTF-8, escaped where they are not."""
        return cls(octets.decode("utf-8", "surrogateescape"))

    def reveal(self) -> str:
        """The text. Call it where the value is used and nowhere else."""
        return self._text

    @property
    def octets(self) -> bytes:
        """The text as octets, UTF-8; the inverse of `from_octets`."""
        return self._text.encode("utf-8", "surrogateescape")

    def __eq__(self, other: object) -> bool:
        """Compare in constant time (for values of one length)."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.octets, other.octets)

    # A hash would be an oracle, and a Secret is never a key.
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")
