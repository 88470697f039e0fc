"""How does an operator learn whether the store works? *Ready* and *not ready* in the log, and a status file.

A proxy starts whether or not its store answers: those who can be served are, and the rest is a matter of time. So
it asks for one record after the start, says *not ready* once with the reason, goes on asking with growing pauses, and
says *ready* when there is an answer.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from math import inf
from typing import Final

import trio
from filelock import Timeout

from emailproxy.config import Config
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.tokens import TokenBroker
from emailproxy.status import Status, StatusFile, WaitingAccount
from emailproxy.store.base import StoreContentError, StoreError
from emailproxy.store.cached import CachedStore

__all__ = ["Reporter"]

log = logging.getLogger("emailproxy.app")

FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 60.0
"""A permission that was granted, or a network that came up, is noticed within a minute."""
STATUS_PAUSE: Final = 1.0
"""Seconds after a call of the store in which more may change: so often is the file written at most."""
SETTLING: Final = 64.0
"""Seconds up to which, ever more seldom, what changed without a call of the store is looked for: new tokens that are
written later follow a read within a token request. Then nothing wakes the proxy until the store is called again."""
NO_FILE_PAUSE: Final = 60.0
"""Seconds until a status file that could not be written is tried again, without a word."""


class Reporter:
    """Watches a store for the log, and keeps the status file.

    Args:
        config: the configuration in force, asked for at each use.
        records: the store.
        broker: knows whose tokens are not stored, and which the provider refuses.
        consents: know who is asked for consent.
        now: Unix time.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        records: CachedStore,
        broker: TokenBroker,
        consents: Consents,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._records = records
        self._broker = broker
        self._consents = consents
        self._now = now
        self._started = now()
        self.ready = False
        """Whether the store has answered since the start."""

    @property
    def status(self) -> Status:
        """The state now, but for the time of writing."""
        return Status(
            pid=os.getpid(),
            started=self._started,
            store=self._records.address,
            ready=self.ready,
            health=self._records.health,
            unsaved=self._broker.unsaved,
            waiting=self._waiting(),
            deferred=self._broker.deferred,
        )

    def _waiting(self) -> tuple[WaitingAccount, ...]:
        """Who needs a person, each account once."""
        found = {name: WaitingAccount(name, reason) for name, reason in self._broker.refused.items()}
        for pending in self._consents.pending():
            if not pending.replaces:  # the stored tokens may be as good as ever
                found[pending.account.name] = WaitingAccount(pending.account.name, pending.reason, pending.began)
        return tuple(found[name] for name in sorted(found))

    async def await_store(self) -> None:
        """Return when the store has answered; until then it is asked."""
        told: type[StoreError] | None = None
        pause = FIRST_PAUSE
        while (problem := await self._ask()) is not None:
            if type(problem) is not told:
                log.warning("not ready, trying again until the store answers: %s", problem)
                told = type(problem)
            await trio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        self.ready = True
        log.info("ready: %s", f"{self._records.address} answers" if self._records.health.reads else "nothing to read")

    async def _ask(self) -> StoreError | None:
        """Read one account's record; why the store did not answer, if it did not."""
        config = self._config()
        account = next(chain(config.accounts, config.templates), None)
        if account is None:
            await trio.lowlevel.checkpoint()
            return None
        try:
            await self._records.load_fresh(account)
        except StoreContentError:
            return None  # an answer, which concerns this account alone
        except StoreError as error:
            return error
        return None

    async def keep_status(self) -> None:
        """Write the status file whenever something changed, until cancelled; then remove it."""
        file = StatusFile(self._config().path)
        written: Status | None = None
        explained = False
        retry, pause = -inf, STATUS_PAUSE
        try:
            while True:
                status = self.status
                if status != written and trio.current_time() >= retry:
                    pause = STATUS_PAUSE
                    try:
                        # Not abandoned when cancelled: what is written is removed below.
                        await trio.to_thread.run_sync(file.write, replace(status, written=self._now()))
                        written = status
                    except (OSError, Timeout) as error:
                        retry = trio.current_time() + NO_FILE_PAUSE
                        if not explained:
                            log.info("no status file: %s", _reason(file, error))
                        explained = True
                with trio.move_on_after(pause if pause <= SETTLING or status != written else inf) as silence:
                    await self._records.called()
                if silence.cancelled_caught:
                    pause = min(pause * 2, 2 * SETTLING)
                else:
                    pause = STATUS_PAUSE
                    await trio.sleep(STATUS_PAUSE)
        finally:
            file.remove()


def _reason(file: StatusFile, error: OSError) -> str:
    if isinstance(error, Timeout):
        return f"another proxy runs with this configuration, and {file.path} is about that one"
    return f"{file.path} cannot be written: {error.strerror or type(error).__name__}"
