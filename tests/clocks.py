"""When may virtual time jump? When every task waits for it, and no thread is at work."""

from __future__ import annotations

import trio
import trio.testing

__all__ = ["PatientClock"]

GLANCE = 1e-6
"""Seconds of real time to look for input before a jump: above zero, so that `wait_all_tasks_blocked` goes first."""
UNTIL_WOKEN = 3600.0
"""A thread's result and a socket's data wake the run loop by themselves."""


class PatientClock(trio.abc.Clock, trio.abc.Instrument):
    """Virtual time that stands still while a thread works, however long a loaded machine lets the thread wait.

    `trio.testing.MockClock` takes a task that waits for its thread for an idle one: in the middle of a key derivation
    it jumps to the next deadline, unless its threshold is longer than the thread takes, which nobody can know.
    """

    def __init__(self) -> None:
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
        if deadline == float("inf") or trio.testing.active_thread_count():
            self._quiet = False
            return UNTIL_WOKEN
        if self._quiet:
            self._now, self._quiet = deadline, False
            return 0
        self._quiet = True
        return GLANCE

    # --- what the run loop tells -------------------------------------------------------------------------------------

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        self._quiet = False
