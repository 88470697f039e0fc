"""What do references lead to? All of a file are read at once, within one deadline."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from emailproxy.store.base import StoreError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from emailproxy.references.base import Reference, SecretValue
    from emailproxy.references.sources import Sources

__all__ = ["DEADLINE", "fetch"]

DEADLINE: Final = 30.0
"""Seconds for all references of a file. Each source ends a read within ten, and a start is not a login."""
READERS: Final = 8
"""Threads: more would only queue in the services' connection pools."""


def fetch(sources: Sources, references: Collection[Reference]) -> dict[Reference, SecretValue | StoreError]:
    """The values of `references`, or why there is none. Blocks for `DEADLINE` at the most."""
    pool = ThreadPoolExecutor(min(READERS, len(references)), thread_name_prefix="references")
    try:
        futures = {reference: pool.submit(sources.read, reference) for reference in references}
        wait(futures.values(), timeout=DEADLINE)
        return {reference: _outcome(reference, future) for reference, future in futures.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _outcome(reference: Reference, future: Future[SecretValue]) -> SecretValue | StoreError:
    if not future.done():
        return StoreUnavailableError(f"{reference}: no answer within {DEADLINE:.0f} s")
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, StoreError):
        return error
    raise error
