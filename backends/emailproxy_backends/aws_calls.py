"""Which calls of AWS Secrets Manager do the stores need? One Protocol, kept by the SDK's side and by tests' doubles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from emailproxy.store.base import StoreUnavailableError

__all__ = [
    "ABSENT",
    "ANSWERS",
    "CURRENT",
    "EXISTS",
    "FULL",
    "MISMATCH",
    "NOT_NOW",
    "AnswerError",
    "Described",
    "Service",
]

CURRENT: Final = "AWSCURRENT"
"""The staging label of the version that counts."""

# Refusals that say something about the secret. Codes, not texts or HTTP statuses, which differ between implementations.
ABSENT: Final = "ResourceNotFoundException"
EXISTS: Final = "ResourceExistsException"
NOT_NOW: Final = "InvalidRequestException"
"""Above all: the secret is marked for deletion."""
MISMATCH: Final = "InvalidParameterException"
"""Above all: the label is not where the move takes it from."""
FULL: Final = "LimitExceededException"
ANSWERS: Final = frozenset({ABSENT, EXISTS, NOT_NOW, MISMATCH, FULL})


class AnswerError(StoreUnavailableError):
    """The service refused a call for what it knows of the secret; `code` is its word for that."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Described:
    """A secret without its value."""

    deleted: bool
    """Marked for deletion; can be restored."""
    stages: Mapping[str, Sequence[str]]
    """Labels by version."""


class Service(Protocol):
    """Calls that raise StoreError, and `AnswerError` for what says something about the secret. Thread-safe."""

    def get(self, name: str) -> tuple[str, str | None]:
        """Version and value of AWSCURRENT, None if it has no value; StoreContentError if it is octets."""
        ...

    def create(self, name: str, text: str, token: str, description: str) -> str:
        """Create a secret with a first version, AWSCURRENT; the version."""
        ...

    def put(self, name: str, text: str, token: str, label: str) -> None:
        """Add the version `token` with a label. The first version of a secret becomes AWSCURRENT too."""
        ...

    def move(self, name: str, label: str, *, to: str | None, source: str | None) -> None:
        """Move the label from one version to another; None: from nowhere, to nowhere."""
        ...

    def describe(self, name: str) -> Described:
        """Versions, labels, and whether it is marked for deletion."""
        ...

    def restore(self, name: str) -> None:
        """Unmark for deletion."""
        ...

    def delete(self, name: str) -> None:
        """Mark for deletion, with the service's own time for recovery."""
        ...

    def names(self, prefix: str) -> list[str]:
        """The names of the secrets that begin with `prefix` and have a value, as far as the service can tell."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
