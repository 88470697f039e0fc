"""What does another program's file give? For each account a refresh token, perhaps under that program's encryption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from emailproxy.failures import ProxyError
from emailproxy.secret import Secret

__all__ = ["ForeignToken", "ForeignTokenError", "read_file"]

MAX_OCTETS: Final = 16 * 1024 * 1024
"""Thousands of accounts; a disk image by mistake must not fill the memory."""


class ForeignTokenError(ProxyError):
    """The file is not what it should be; the message names it and says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class ForeignToken:
    """One account's refresh token."""

    account: str
    """As the other program names it."""
    where: str
    """The file, for messages."""
    open: Callable[[Secret], Secret | None] = field(repr=False)
    """The refresh token, given the account's mail password; None: the password does not open it."""
    needs_its_password: bool = False
    """It is encrypted with the password that the mail client uses, so only that one will do."""
    client_id: str | None = None
    """What it was issued to, if the file tells."""


def read_file(path: Path) -> bytes:
    """The file's content.

    Raises:
        ForeignTokenError: it cannot be read, or is far too large.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ForeignTokenError(f"{path} cannot be read: {reason}") from None
    if len(octets) > MAX_OCTETS:
        raise ForeignTokenError(f"{path} is too large for a file of tokens")
    return octets
