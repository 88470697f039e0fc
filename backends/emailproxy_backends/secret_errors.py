"""Which secret is an error about? Connections are shared by many references, and their errors name the place alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from emailproxy.store.base import (
    StoreAddressError,
    StoreContentError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)

__all__ = ["naming"]

_KINDS: Final = (StoreAddressError, StoreContentError, StoreDeniedError, StoreUnavailableError)


@contextmanager
def naming(text: str, where: str) -> Iterator[None]:
    """Let every error of a read begin with the secret's address.

    Args:
        text: the secret's address.
        where: what the connection's errors begin with.
    """
    try:
        yield
    except StoreError as error:
        told = str(error)
        if told.startswith(text):
            raise
        kind = next((known for known in _KINDS if isinstance(error, known)), StoreError)
        raise kind(f"{text}: {told.removeprefix(where).removeprefix(':').lstrip()}") from None
