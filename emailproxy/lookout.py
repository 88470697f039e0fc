"""Which of the thousands of sockets of all relays is ready? One descriptor and one task know.

An epoll descriptor of the proxy's own holds the sockets of every relay, and one task waits for it as for any other.
What is ready is acted upon within that task, by the relay that awaits it (`emailproxy.readiness.Turns`): a turn of the
scheduler for each would cost more than what most of them do. A relay's own task sleeps until its relay is over, has
more to do than fits into one turn, or is cancelled. So an idle session takes two descriptors, and nobody wakes for it.

* A mistake in a turn is raised in the session whose turn it was. The lookout goes on.
* It is level-triggered: what is left over, or was told while a relay's task did not sleep, is told again.
* Nothing is awaited while a batch is told, so no descriptor in it can be closed, and be somebody else's, before its
  turn comes. Sockets are taken out before they are closed.
"""

from __future__ import annotations

import contextlib
import math
import select
import sys
from typing import Final

import outcome
import trio

from emailproxy.readiness import EachByTask, Next, Readiness, Turns

__all__ = ["Lookout"]

BATCH: Final = 32
"""Events told before other tasks run. Those that are left come first the next time: the kernel goes round."""

GRAIN: Final = 5.0
"""Seconds between two looks at all deadlines, a millisecond for thousands of relays: so late may one be noticed. A look
is only due when the earliest deadline is, which is minutes after its relay carried something last."""


if sys.platform == "linux":

    class Lookout:
        """Waits for the sockets of all relays: have `run` run as long as one lives, then close it.

        Raises:
            OSError: there is no descriptor left.
        """

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self._posts: dict[int, _Post] = {}
            self._alarm = trio.CancelScope()

        async def aclose(self) -> None:
            """Await nothing any more; no relay may live."""
            self._epoll.close()

        def open(self) -> Readiness:
            """For one relay."""
            return _Post(self, self._epoll, self._posts)

        def wake_by(self, time: float) -> None:
            """Look at deadlines then, if not before."""
            if time < self._alarm.deadline:
                self._alarm.deadline = time

        async def run(self) -> None:
            """Tell relays what is ready, and which deadlines have passed, until cancelled."""
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_time)
                await self._tell()

        async def _tell(self) -> None:
            descriptor = self._epoll.fileno()
            poll, posts = self._epoll.poll, self._posts
            while True:
                await trio.lowlevel.wait_readable(descriptor)
                for fd, events in poll(0, BATCH):
                    post = posts.get(fd)
                    if post is not None:  # else a turn before, in this batch, has ceased to await it
                        # An error or a hang-up shows as both, so that whoever comes first finds out which.
                        post.tell(fd, events != select.EPOLLOUT, events != select.EPOLLIN)

        async def _keep_time(self) -> None:
            while True:
                with self._alarm:
                    await trio.sleep_forever()
                now = trio.current_time()
                # Who attends awaits something of a socket at least, so everybody is among these.
                self._alarm = trio.CancelScope(
                    deadline=min((post.expire(now) for post in self._posts.values()), default=math.inf)
                )
                await trio.sleep(GRAIN)

    class _Post:
        """The sockets of one relay, and its task while that sleeps."""

        __slots__ = ("_epoll", "_lookout", "_posts", "_task", "_turns", "_watched")

        def __init__(self, lookout: Lookout, epoll: select.epoll, posts: dict[int, _Post]) -> None:
            self._lookout = lookout
            self._epoll = epoll
            self._posts = posts
            self._watched: tuple[int, ...] = ()
            self._turns: Turns | None = None
            self._task: trio.lowlevel.Task | None = None

        def watch(self, fd: int, *, readable: bool, writable: bool) -> None:
            wanted = (select.EPOLLIN if readable else 0) | (select.EPOLLOUT if writable else 0)
            if fd in self._watched:
                if wanted:
                    self._epoll.modify(fd, wanted)
                else:  # not an empty mask: errors are told whatever the mask, again and again
                    self._forget(fd)
            elif wanted:
                self._epoll.register(fd, wanted)
                self._posts[fd] = self
                self._watched += (fd,)

        async def attend(self, turns: Turns) -> None:
            self._turns = turns
            self.wake_by(turns.deadline)
            following = turns.go_on()
            while following is not Next.OVER:
                if following is Next.AGAIN:
                    await trio.lowlevel.checkpoint()
                    following = turns.go_on()
                else:
                    self._task = trio.lowlevel.current_task()
                    following = await trio.lowlevel.wait_task_rescheduled(self._leave)

        def tell(self, fd: int, readable: bool, writable: bool) -> None:
            """Let the relay act, and wake its task if there is something for it to do."""
            task, turns = self._task, self._turns
            if task is None or turns is None:  # awake, or being cancelled
                return
            result = outcome.capture(turns.act, fd, readable, writable)
            if isinstance(result, outcome.Value) and result.value is Next.WAIT:
                return
            if self._task is None:  # the turn has stopped us
                return
            self._task = None
            trio.lowlevel.reschedule(task, result)

        def expire(self, now: float) -> float:
            """The deadline, or infinity if it has passed and the relay was told."""
            turns = self._turns
            if turns is None:
                return math.inf
            if turns.deadline > now or self._task is None:
                return turns.deadline
            self.stop()
            return math.inf

        def wake_by(self, time: float) -> None:
            self._lookout.wake_by(time)

        def stop(self) -> None:
            task, self._task = self._task, None
            if task is not None:
                trio.lowlevel.reschedule(task, outcome.Value(Next.OVER))

        def _leave(self, _: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            self._task = None
            return trio.lowlevel.Abort.SUCCEEDED

        def close(self) -> None:
            for fd in self._watched:
                self._forget(fd)
            self._turns = None  # it holds us

        def _forget(self, fd: int) -> None:
            self._watched = tuple(each for each in self._watched if each != fd)
            if self._posts.get(fd) is self:  # else it was closed too early, and is another relay's now
                del self._posts[fd]
                with contextlib.suppress(FileNotFoundError):
                    self._epoll.unregister(fd)

else:

    class Lookout:
        """There is no epoll here: each relay waits for itself."""

        async def aclose(self) -> None:
            """Hold nothing, so release nothing."""

        def open(self) -> Readiness:
            """For one relay."""
            return EachByTask()

        async def run(self) -> None:
            """Do nothing, until cancelled."""
            await trio.sleep_forever()
