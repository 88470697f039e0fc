"""When may virtual time jump? When every task waits for it, and no thread is at work."""

from __future__ import annotations

import trio
import trio.testing
from trio._core._run import GLOBAL_RUN_CONTEXT

__all__ = ["PatientClock"]

GLANCE = 0.001
"""Seconds of real time in which a socket may still bring something before a jump. None pass where no task waits for
one: a test of a day has thousands of jumps."""
ALWAYS = 1
"""Tasks that wait for a socket all the time: trio's own, which threads wake."""
UNTIL_WOKEN = 3600.0
"""A thread's result and a socket's data wake the run loop by themselves."""


class PatientClock(trio.abc.Clock, trio.abc.Instrument):
    """Virtual time that stands still while a thread works, however long a loaded machine lets the thread wait.

    `trio.testing.MockClock` takes a task that waits for its thread for an idle one: in the middle of a key derivation
    it jumps to the next deadline, unless its threshold is longer than the thread takes, which nobody can know.
    """

    def __init__(self) -> None:
        self.minds_threads = True
        """False: a thread that hangs is no work, and time may pass beside it."""
        self._now = 0.0
        self._quiet = False  # nothing has run since the last glance

    def jump(self, seconds: float) -> None:
        """Let time pass at once."""
        assert seconds >= 0
        self._now += seconds

    # --- what the run loop asks --------------------------------------------------------------------------------------

    def start_clock(self) -> None:
        trio.lowlevel.add_instrument(self)

    def current_time(self) -> float:
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Asked before each wait of the run loop, when no task can run."""
        if deadline <= self._now:
            return 0
        if deadline == float("inf") or (self.minds_threads and trio.testing.active_thread_count()):
            self._quiet = False
            return UNTIL_WOKEN
        if not self._quiet:
            self._quiet = True
            # Those who wait until all tasks are blocked go first, and hear of it at once if there is a time to wait.
            glances = _sockets_are_waited_for() or GLOBAL_RUN_CONTEXT.runner.waiting_for_idle
            return GLANCE if glances else 0
        self._now, self._quiet = deadline, False
        return 0

    # --- what the run loop tells -------------------------------------------------------------------------------------

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        self._quiet = False


def _sockets_are_waited_for() -> bool:
    waiting = trio.lowlevel.current_statistics().io_statistics
    # Only with epoll are these two told.
    reading, writing = getattr(waiting, "tasks_waiting_read", ALWAYS + 1), getattr(waiting, "tasks_waiting_write", 0)
    return bool(reading + writing > ALWAYS)
