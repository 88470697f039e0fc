"""What does a signal do before the proxy can answer it? One that stops, stops it at once; any other waits."""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING, Final

from emailproxy.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Self

__all__ = ["EarlySignals"]

log = logging.getLogger("emailproxy.app")

_STOPS: Final = frozenset({"SIGTERM", "SIGINT", "SIGQUIT"})
_OTHERS: Final = frozenset({"SIGHUP", "SIGUSR1"})


class EarlySignals:
    """Hears signals as long as it is entered. Only in the main thread; elsewhere it hears none."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Callable[..., object] | int | None] = {}
        self._waiting: list[signal.Signals] = []
        self._stopped: signal.Signals | None = None
        self._holding = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in signal.Signals:
                if number.name in _STOPS | _OTHERS:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._stopped is not None:
            log.info("%s: stopped, before anybody was served", self._stopped.name)

    def hold(self) -> None:
        """From now on those that stop wait as well, since whoever calls `release` soon can answer them."""
        self._holding = True
        if self._stopped is not None:  # and some module has caught what was raised in it
            raise SystemExit(Exit.STOPPED)

    def release(self) -> None:
        """Let those come that have waited, to the handlers that are there now."""
        for number in self._waiting:
            signal.raise_signal(number)
        self._waiting.clear()

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        heard = signal.Signals(number)
        if self._holding or heard.name in _OTHERS:
            self._waiting.append(heard)
        else:
            self._stopped = heard
            raise SystemExit(Exit.STOPPED)
