"""What does a reference lead to now? Read when needed, remembered for a while, read again when it turns out wrong.

A secret manager bills every read and takes a tenth of a second for it, so a value is used for its lifetime without
asking. When a provider refuses it, it is read again at once: it may have been rotated. Whoever waits for the same
reference waits for the same read. If a value cannot be read again, the last good one goes on for a bounded time.

No task runs outside the calls made here; a thread that outlives its deadline is left to the source's own time limits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final

import trio

from emailproxy.references.base import Reference, SecretValue
from emailproxy.references.sources import Sources
from emailproxy.secret import Secret
from emailproxy.store.base import StoreError, StoreUnavailableError

__all__ = ["Resolver"]

log = logging.getLogger("emailproxy.references")

DEADLINE: Final = 12.0
"""Seconds for a read, the import of an SDK included; more than the ten that a source's own time limits take."""
READERS: Final = 8
"""Threads: more would only queue in the services' connection pools."""
LAST_GOOD: Final = 24 * 3600.0
"""Seconds beyond its lifetime that a value goes on when it cannot be read again: an outage over night stops nobody, and
whoever takes our access away on purpose is obeyed within a day."""
PAUSE: Final = 60.0
"""Seconds between two attempts to read again what cannot be read, as long as there is a last good value."""
FAILURE: Final = 5.0
"""Seconds that a failure answers further logins, when there is no last good value: a burst of logins is one read."""
FRUITLESS: Final = 60.0
"""Seconds between two reads on suspicion, if the first found nothing new: a wrong client secret, met at each login,
must not cost a billed read each time."""


class _Known:
    """What is known of one reference."""

    __slots__ = ("failed", "failure", "flight", "read", "suspected", "value")

    def __init__(self) -> None:
        self.value: Secret | None = None
        self.read = -inf
        self.failure: StoreError | None = None
        self.failed = -inf
        self.suspected = -inf
        """When a read on suspicion last found nothing new."""
        self.flight: trio.Event | None = None


class Resolver:
    """Values by reference. Use it from one trio run; close it with `aclose`.

    Args:
        lifetime: seconds that a value is used without asking; asked for at each use.
        sources: who reads; None: the installed ones.
    """

    def __init__(self, lifetime: Callable[[], float], sources: Sources | None = None) -> None:
        self._lifetime = lifetime
        self._sources = sources if sources is not None else Sources()
        self._known: dict[Reference, _Known] = {}
        self._remarked: set[Reference] = set()
        self._limiter = trio.CapacityLimiter(READERS)

    async def value(self, reference: Reference) -> Secret:
        """The value, as of its lifetime ago or later; the last good one if it cannot be read again.

        Raises:
            StoreError: it cannot be had; the message names the address and what to do.
        """
        known = self._known.setdefault(reference, _Known())
        while True:
            now = trio.current_time()
            if known.value is not None and now - known.read < self._lifetime():
                await trio.lowlevel.checkpoint()
                return known.value
            usable = known.value if now - known.read < self._lifetime() + LAST_GOOD else None
            if known.failure is not None and now - known.failed < (FAILURE if usable is None else PAUSE):
                await trio.lowlevel.checkpoint()
                if usable is None:
                    raise known.failure
                return usable
            if known.flight is not None:
                await known.flight.wait()
                continue
            try:
                return await self._read(reference, known)
            except StoreError as error:
                if usable is None:
                    raise
                log.warning("%s: using what was last read (%s)", reference, error)
                return usable

    async def newer(self, reference: Reference, refused: Secret) -> Secret | None:
        """Another value than `refused`, which somebody did not accept; None if there is none now.

        A read that finds nothing new is not repeated for `FRUITLESS` seconds.
        """
        known = self._known.setdefault(reference, _Known())
        began = trio.current_time()
        while True:
            if known.value is not None and known.value != refused:
                await trio.lowlevel.checkpoint()
                return known.value  # somebody else was faster
            if trio.current_time() - known.suspected < FRUITLESS or known.read > began:
                await trio.lowlevel.checkpoint()
                return None
            if known.flight is not None:
                await known.flight.wait()
                continue
            try:
                found = await self._read(reference, known)
            except StoreError as error:
                log.warning("%s: the value was refused, and cannot be read again: %s", reference, error)
                known.suspected = trio.current_time()
                return None
            if found == refused:
                known.suspected = trio.current_time()
                return None
            log.info("%s: the value was refused, and there is a new one", reference)
            return found

    async def aclose(self) -> None:
        """Forget all values and close the sources, even when cancelled."""
        self._known.clear()
        if not self._sources.opened:
            await trio.lowlevel.checkpoint()
            return
        with trio.CancelScope(shield=True), trio.move_on_after(DEADLINE):
            await trio.to_thread.run_sync(self._sources.close, abandon_on_cancel=True)

    async def _read(self, reference: Reference, known: _Known) -> Secret:
        flight = known.flight = trio.Event()
        try:
            found = await self._call(reference)
        except StoreError as error:
            known.failure, known.failed = error, trio.current_time()
            raise
        finally:
            # Cancelled: one of those who wait will read.
            known.flight = None
            flight.set()
        known.value, known.read, known.failure = found.value, trio.current_time(), None
        if found.remark and reference not in self._remarked:
            self._remarked.add(reference)
            log.warning("%s: %s", reference, found.remark)
        return found.value

    async def _call(self, reference: Reference) -> SecretValue:
        read = partial(self._sources.read, reference)
        if not self._sources.blocks(reference):
            await trio.lowlevel.checkpoint()
            return read()
        try:
            with trio.fail_after(DEADLINE):
                return await trio.to_thread.run_sync(read, limiter=self._limiter, abandon_on_cancel=True)
        except trio.TooSlowError:
            raise StoreUnavailableError(f"{reference}: no answer within {DEADLINE:.0f} s") from None
