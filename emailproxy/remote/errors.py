"""What can go wrong between a command and a running proxy?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emailproxy.failures import ProxyError

__all__ = [
    "AnswerError",
    "BadAddressError",
    "LostError",
    "MissingExtraError",
    "NotRunningError",
    "RefusedError",
    "RemoteError",
]


class RemoteError(ProxyError):
    """Root of the others; the message says what to do."""


class BadAddressError(RemoteError):
    """The address, or the token, that was given cannot be one."""


class NotRunningError(RemoteError):
    """Nobody answers: no proxy runs there, or it has no console."""


class LostError(RemoteError):
    """The connection ended before there was an answer."""


class RefusedError(RemoteError):
    """The console does not accept the token."""


class MissingExtraError(RemoteError):
    """What is needed to hear events is not installed."""


class AnswerError(RemoteError):
    """The proxy said no."""

    def __init__(self, error: str, status: int, fields: Mapping[str, Any]) -> None:
        super().__init__(error)
        self.status = status
        """HTTP's."""
        self.fields = fields
        """The whole answer."""
