"""Whose turn is it to use a refresh token that may be used once? The holder of a lease in the account's record.

Some providers end the whole authorisation when a refresh token is used twice. Two proxies that share a store must then
never refresh one account at once, and no version check of a later write can mend it if they did. So the record says
whose turn it is: whoever wants to refresh reads it, waits while somebody else's lease stands, and writes a lease of its
own with the version that was read (compare and swap, which of two takes one). The save of the new tokens ends it.

Time is told by each machine's own clock. A lease counts as standing for `CLOCKS` seconds longer than it says, so clocks
may differ by that much, ours being ahead of the owner's. If the owner's is ahead of ours, a dead owner's lease seems to
last too long; so it also ends when it was seen unchanged for as long as any lease may last.

The arithmetic: a lease is written down at 0 and ends at `LEASE` (60). The token request, with its retry, is cut off at
35, and the save of the new tokens is over 25 later, at 60 (`SAVE`: a read of 10, then a write of 15). Another proxy
begins at 65 at the earliest. A request that is cut off may have been granted, and then its refresh token is lost; so
none begins that has less than `REQUEST` (20) left: if writing the lease took more than 15, or the machine slept
meanwhile, the lease is written down anew.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from emailproxy.failures import FailureKind
from emailproxy.oauth.explain import failed, no_turn
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.keeping import Keeper
from emailproxy.oauth.opened import Lease, Opened
from emailproxy.oauth.vault import Login
from emailproxy.store.base import StoreConflictError, StoreError
from emailproxy.store.cached import READ_DEADLINE, WRITE_DEADLINE

__all__ = ["Turn", "TurnTimes", "Turns", "new_owner"]

log = logging.getLogger("emailproxy.oauth")

LEASE: Final = 60
"""Seconds."""
CLOCKS: Final = 5
"""Seconds by which the clocks of two machines may differ; a synchronised one is right within a tenth of a second."""
SAVE: Final = READ_DEADLINE + WRITE_DEADLINE
"""Seconds that a save takes at worst (`emailproxy.store.cached.CachedStore.save`)."""
REQUEST: Final = 20.0
"""Seconds that a turn must have left for the token request when it begins: token endpoints answer within one."""
POLL: Final = (0.3, 1.0)
"""Seconds between two looks at somebody else's lease: a refresh takes about a second. By chance, so that those who wait
do not come together."""
PATIENCE: Final = 130.0
"""Seconds that one flight waits in all: for two leases that run out one after the other. No login waits so long."""


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """How long turns last, in seconds. Parameters only so that a simulation need not wait for minutes."""

    lease: int = LEASE
    clocks: float = CLOCKS
    save: float = SAVE
    request: float = REQUEST


Reread = Callable[[Login], Awaitable[Opened | None]]
"""Reads the record from the store, and from nowhere else. Raises LoginFailed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What `Turns.take` came to."""

    opened: Opened | None
    """The record with our lease in it; or, without a deadline, the changed record that somebody else left."""
    deadline: float | None = None
    """Time of the trio clock at which the token request must be over; None: it is not our turn, and need not be."""


class Turns:
    """Takes turns with other processes. Within one process, flights see to it that an account is refreshed once.

    Args:
        keeper: writes the leases.
        now: Unix time.
        owner: who we are, for other processes.
        times: how long turns last.
    """

    def __init__(
        self,
        keeper: Keeper,
        now: Callable[[], float],
        owner: str | None = None,
        times: TurnTimes = TurnTimes(),
    ) -> None:
        self._times = times
        self._keeper = keeper
        self._now = now
        self._owner = owner or new_owner()
        self._seen: dict[str, tuple[Lease, float]] = {}

    async def take(self, login: Login, opened: Opened, reread: Reread, give_up: float) -> Turn:
        """Wait until the refresh token in `opened` is ours to use, or is used.

        Args:
            login: whose.
            opened: the record as it was just read.
            reread: reads it again.
            give_up: when to stop waiting, time of the trio clock.

        Raises:
            LoginFailed: no turn, and so no refresh: the store failed, or others took all the time there is.
        """
        wanted, waited = opened.refresh, False
        now: Opened | None = opened
        while now is not None and now.refresh == wanted and not now.dead:
            if trio.current_time() >= give_up:
                raise failed(FailureKind.TEMPORARY, login.name, self._why_not(now))
            if self._stands(login.name, now.lease):
                if not waited:
                    log.info("account %s: another proxy is refreshing it, waiting", foreign(login.name))
                waited = True
                await trio.sleep(random.uniform(*POLL))  # noqa: S311 - no secret
                now = await reread(login)
                continue
            begun = trio.current_time()
            lease = Lease(self._owner, int(self._now()) + self._times.lease)
            try:
                leased = await self._keeper.lease(login.name, now, lease)
            except StoreConflictError:
                await trio.sleep(random.uniform(0, POLL[0]))  # noqa: S311 - no secret
                now = await reread(login)
                continue
            except StoreError as error:
                raise no_turn(login.name, error) from None
            self._seen.pop(login.name, None)
            left = self._left(begun, lease)
            if left >= self._times.request:
                return Turn(leased, trio.current_time() + left)
            log.info("account %s: the turn to refresh it was late, taking it anew", foreign(login.name))
            now = leased
        self._seen.pop(login.name, None)
        return Turn(now)

    async def give_back(self, login: Login, opened: Opened) -> None:
        """The provider refused without doing anything: others need not wait. Not cut off by cancellation."""
        with trio.move_on_after(self._times.save, shield=True):
            try:
                await self._keeper.lease(login.name, opened, None)
            except StoreConflictError:
                log.debug("account %s: the lease was overwritten", foreign(login.name))
            except StoreError as error:
                log.info("account %s: the lease runs out by itself: %s", foreign(login.name), foreign(error))

    def _left(self, begun: float, lease: Lease) -> float:
        """Seconds for the token request in a turn that was asked for at `begun`.

        By both clocks: the one that deadlines go by stands still while the machine sleeps, the other may be set.
        """
        times = self._times
        return min(begun + times.lease - trio.current_time(), lease.until - self._now()) - times.save

    def _why_not(self, opened: Opened) -> str:
        if opened.lease is not None and opened.lease.owner == self._owner:
            return (
                f"the store takes so long to write down whose turn to refresh it is that for {PATIENCE:g} s no turn "
                "had time left for the token request; see why it is slow"
            )
        return f"other proxies have held the turn to refresh it for {PATIENCE:g} s; see which of them hangs"

    def _stands(self, account: str, lease: Lease | None) -> bool:
        """Whether `lease` keeps us waiting."""
        if lease is None or lease.owner == self._owner:
            return False
        seen, first = self._seen.get(account, (None, 0.0))
        if seen != lease:
            first = trio.current_time()
            self._seen[account] = (lease, first)
        times = self._times
        return self._now() < lease.until + times.clocks and trio.current_time() - first < times.lease + times.clocks


def new_owner() -> str:
    """This process, in words that help an operator, and with chance against namesakes. No secret."""
    return f"{foreign(socket.gethostname())[:64]}/{os.getpid()}/{secrets.token_hex(4)}"
