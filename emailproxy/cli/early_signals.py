"""What does a signal do before the proxy can answer it? One that stops, stops it at once; any other waits."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from emailproxy.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType

__all__ = ["release", "stopping_at_once"]

log = logging.getLogger("emailproxy.app")

_STOPS: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGQUIT") if hasattr(signal, name))
_OTHERS: Final = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGUSR1") if hasattr(signal, name))


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """In here, a signal that stops the proxy ends the process with `Exit.STOPPED`; all others wait for `release`.

    When it is left, all of them wait: whoever calls `release` must be able to answer them. Only in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[str] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        heard.append(signal.Signals(number).name)
        raise SystemExit(Exit.STOPPED)

    _block(_OTHERS)
    before = {number: signal.signal(number, stop) for number in _STOPS}
    try:
        yield
    finally:
        _block(_STOPS)
        for number, handler in before.items():
            signal.signal(number, handler)
        if heard:
            log.info("%s: stopped, before anybody was served", heard[0])
    if heard:  # some module has caught what was raised in it
        raise SystemExit(Exit.STOPPED)


def release() -> None:
    """Let the signals come that have waited, and all others."""
    if hasattr(signal, "pthread_sigmask") and threading.current_thread() is threading.main_thread():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_STOPS, *_OTHERS))


def _block(numbers: Collection[signal.Signals]) -> None:
    if hasattr(signal, "pthread_sigmask"):  # not on Windows, where a process is not asked to stop in this way
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
