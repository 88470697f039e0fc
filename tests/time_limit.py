"""How does a test that hangs inside trio end? As one failure that shows where every task waits, and no other.

pytest-timeout raises from its signal handler. Without trio that is right: the traceback ends where the test hangs. In
trio it would rise through the scheduler, show nobody's task, and leave the event loop in the way of the next test.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Generator
from types import FrameType
from typing import NoReturn

import pytest
import trio

__all__ = ["pytest_timeout_set_timer"]

GRACE = 5.0
"""Seconds for the tasks to end when they are cancelled; what hangs in spite of it is shown by pytest-timeout's way."""


class TimeLimitError(Exception):
    """The test hangs."""


if sys.platform != "win32":  # there pytest-timeout ends the process from a thread

    @pytest.hookimpl(wrapper=True)
    def pytest_timeout_set_timer(item: pytest.Item) -> Generator[None, object, object]:
        """Let trio end the tasks if there are any when the alarm comes, and pytest-timeout if there are none."""
        result = yield
        interrupt = signal.getsignal(signal.SIGALRM)
        if not callable(interrupt):  # another method was asked for
            return result

        def alarm(number: int, frame: FrameType | None) -> None:
            if trio.lowlevel.in_trio_run():
                signal.signal(signal.SIGALRM, interrupt)
                signal.setitimer(signal.ITIMER_REAL, GRACE)
                trio.lowlevel.current_trio_token().run_sync_soon(_give_up)
            else:
                interrupt(number, frame)

        signal.signal(signal.SIGALRM, alarm)
        return result


def _give_up() -> NoReturn:
    root = trio.lowlevel.current_root_task()
    assert root is not None
    tasks = "\n".join(_waiting(root))
    # Printed, so that it is seen even if the tasks cannot be ended.
    print(f"The test took too long. Its tasks wait here:\n{tasks}", file=sys.stderr)
    raise TimeLimitError("the test took too long; where its tasks wait stands in the captured standard error")


def _waiting(task: trio.lowlevel.Task) -> Generator[str]:
    """Every task below `task` with its stack, the frames of installed packages left out."""
    frames = traceback.StackSummary.extract(task.iter_await_frames())
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    if own:
        yield f"task {task.name}\n" + "".join(traceback.format_list(own))
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _waiting(child)
