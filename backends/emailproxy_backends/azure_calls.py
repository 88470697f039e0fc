"""How often and how long is Azure asked? A few times, each with short timeouts, all within one deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from azure.core.exceptions import AzureError

from emailproxy.store.base import StoreDeniedError, StoreUnavailableError
from emailproxy_backends.azure_failures import (
    TokenHistory,
    codes,
    failure,
    is_passing,
    is_under_way,
    is_unsure,
    pause_asked,
)
from emailproxy_backends.throttling import Throttle

__all__ = ["SDK_SETTINGS", "Calls", "Deadline"]

TIMEOUT: Final = 5.0
"""Seconds to connect, and seconds for an answer. The SDK's default is 300 for each."""
ATTEMPTS: Final = 3
PAUSE: Final = 0.5
"""Seconds before the second attempt, twice that before the third, if the service names none."""

SDK_SETTINGS: Final[dict[str, Any]] = {
    # We repeat ourselves: the SDK obeys a Retry-After of any length, longer than whoever waits for us.
    "retry_total": 0,
    "connection_timeout": TIMEOUT,
    "read_timeout": TIMEOUT,
    # The services redirect nobody; a document shall not follow whoever else does.
    "permit_redirects": False,
}

T = TypeVar("T")


class Deadline:
    """The moment by which one load, save or listing has to end."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds; negative when it has passed."""
        return self._end - time.monotonic()


class Calls:
    """Calls the SDK, repeats what may pass, and turns what does not into the contract's errors."""

    def __init__(self, where: str, identity: TokenHistory, throttle: Throttle | None = None) -> None:
        """`throttle`: what the service asked others to wait, where several share it."""
        self.where = where
        self.identity = identity
        self._throttle = throttle if throttle is not None else Throttle()

    def make(
        self,
        done: str,
        call: Callable[[float], T],
        deadline: Deadline,
        *,
        answers: frozenset[str] = frozenset(),
        landed: Callable[[], T | None] | None = None,
    ) -> T:
        """What `call` returns; it is given the seconds for connecting and for the answer.

        Args:
            done: what the call achieves, a key of `azure_failures.DATA_ACTIONS`.
            call: calls the SDK once.
            deadline: no attempt begins after it, and no pause reaches beyond it.
            answers: error codes that are answers, which whoever calls reads.
            landed: for a call that changes something: what it would have returned if it was carried out although its
                answer got lost, else None.

        Raises:
            AzureError: with one of the codes in `answers`.
            StoreError: it failed for good, or for as long as the deadline lets us try.
        """
        attempts = 0
        while True:
            self._wait_for_the_service(done, deadline)
            left = deadline.left
            if left <= 0:
                raise StoreUnavailableError(f"{self.where}: no answer in time")
            try:
                return call(min(TIMEOUT, left))
            except AzureError as error:
                if answers.intersection(codes(error)):
                    raise
                if not is_passing(error):
                    raise failure(error, where=self.where, done=done, identity=self.identity) from None
                # A recovery under way is waited for until the deadline; what fails is tried three times.
                attempts += not is_under_way(error)
                if landed is not None and is_unsure(error) and (result := landed()) is not None:
                    return result
                asked = pause_asked(error)
                if asked is not None and not is_under_way(error):
                    self._throttle.asked(done, asked)
                pause = asked if asked is not None else PAUSE * 2 ** max(attempts - 1, 0)
                if attempts >= ATTEMPTS or pause >= deadline.left:
                    raise failure(error, where=self.where, done=done, identity=self.identity) from None
            except ValueError as error:
                # The SDK's way to say that the vault's challenge names an audience of another domain.
                raise StoreDeniedError(
                    f"{self.where} cannot be {done}: what answers is no vault of this cloud ({type(error).__name__})"
                ) from None
            except AttributeError:
                # By its source, azure-keyvault-secrets 4.12 shares its token between threads without a lock: one that
                # is told to authenticate sets it to None, between another one's check and its use. Never seen so far.
                attempts += 1
                pause = 0.0
                if attempts >= ATTEMPTS:
                    raise
            time.sleep(pause)

    def _wait_for_the_service(self, done: str, deadline: Deadline) -> None:
        """Let the time pass that the service asked for, of this call or of another one."""
        pause = self._throttle.left(done)
        if pause and pause >= deadline.left:
            raise StoreUnavailableError(
                f"{self.where} cannot be {done} now: the service is throttling, and asks to wait {pause:.0f} s more"
            )
        time.sleep(pause)
