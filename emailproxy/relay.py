"""How do octets get from one connection to another, once nobody needs to understand them? As fast as they come.

Two loops, one for each direction, each a wait for readability followed by a burst that awaits nothing: receive all that
is there into the shared scratch buffer, hand it to the other side, go on while more has arrived. Only when the other
kernel does not take everything is the rest copied (at most one scratch buffer, 256 KiB), and nothing more is read until
it is gone: that is the backpressure.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import trio

from emailproxy.connection import Connection

__all__ = ["Ending", "Relay"]

BURST = 16
"""Receives in a row before other tasks run: 16 x 256 KiB take a few milliseconds, the delay that others may feel."""

LINGER = 60.0
"""Seconds a client may stay silent after the server has closed: time to notice, no session any more."""

REARM = 5.0
"""Seconds by which an idle session may end late: to move the deadline at every packet costs as much as the packet."""

QUIET = 1.0
"""Seconds without an octet from the server after which its last line end is taken for the end of a response."""


class Ending(enum.Enum):
    """Why a relay ended; the words go to the log."""

    CLOSED = "closed"
    IDLE = "idle for too long"
    CLIENT_BROKEN = "connection of the client broke"
    SERVER_BROKEN = "connection of the server broke"


class Relay:
    """Two connections, joined. Owns neither: the caller closes both after `run`.

    Args:
        client: the mail client, logged in.
        server: the mail server, logged in.
        idle_limit: seconds without an octet in either direction after which the session ends.
        tap: for debugging, called with each piece before it is passed on and whether it goes to the client.
    """

    __slots__ = (
        "_armed",
        "_client",
        "_ending",
        "_half_closed",
        "_idle_limit",
        "_last_octet",
        "_scope",
        "_server",
        "_server_moved",
        "_tap",
    )

    def __init__(
        self,
        client: Connection,
        server: Connection,
        idle_limit: float,
        tap: Callable[[memoryview, bool], None] | None = None,
    ) -> None:
        self._client = client
        self._server = server
        self._idle_limit = idle_limit
        self._tap = tap
        self._ending = Ending.IDLE
        self._half_closed = False  # one side has said that nothing more comes
        self._scope: trio.CancelScope
        self._armed = 0.0  # when the deadline was moved last
        self._server_moved = 0.0
        self._last_octet = ord("\n")  # the login's reply was a line

    async def run(self) -> Ending:
        """Carry octets until both sides have closed, one broke, or neither said anything for too long."""
        async with trio.open_nursery() as nursery:
            self._scope = nursery.cancel_scope
            self._server_moved = trio.current_time()
            self._move_deadline(self._server_moved)
            nursery.start_soon(self._pump, self._client, self._server, Ending.CLIENT_BROKEN, Ending.SERVER_BROKEN)
            await self._pump(self._server, self._client, Ending.SERVER_BROKEN, Ending.CLIENT_BROKEN)
        if not nursery.cancel_scope.cancel_called:
            self._ending = Ending.CLOSED
        return self._ending

    def say_goodbye(self, words: bytes) -> None:
        """Send `words` to the client, if that cannot fall into the middle of a response. Never waits, never raises."""
        quiet = trio.current_time() - self._server_moved >= QUIET
        # What the client has not taken yet is only the beginning of what the server is saying.
        if self._last_octet == ord("\n") and quiet and not self._client.blocked:
            try:
                self._client.send_nowait(words)
            except OSError:
                self._end(Ending.CLIENT_BROKEN)

    async def _pump(self, source: Connection, sink: Connection, source_broken: Ending, sink_broken: Ending) -> None:
        """Carry one direction until its source has closed; a broken connection ends both directions."""
        to_client = sink is self._client
        while True:
            for _ in range(BURST):
                try:
                    data = source.receive_nowait()
                except OSError:
                    return self._end(source_broken)
                if data is None:
                    break
                if not data:
                    self._half_closed = True
                    sink.shut_down_sending()
                    if to_client:
                        self._idle_limit = min(self._idle_limit, LINGER)
                        self._move_deadline(trio.current_time())
                    return None
                if self._tap is not None:
                    self._tap(data, to_client)
                if to_client:
                    self._last_octet = data[-1]
                try:
                    if not sink.send_nowait(data):
                        await sink.flush()
                        # A slow reader of a fast source: every piece takes its time, and none of them is the last.
                        self._note_progress(to_client)
                except OSError:
                    return self._end(sink_broken)
                if source.drained:
                    break
            else:
                self._note_progress(to_client)
                await trio.lowlevel.checkpoint()
                continue
            now = trio.current_time()  # as `_note_progress`, which would cost a call at every wake-up
            if to_client:
                self._server_moved = now
            if now - self._armed > REARM:
                self._move_deadline(now)
            await trio.lowlevel.wait_readable(source.fd)

    def _note_progress(self, to_client: bool) -> None:
        """Octets have left, so this is no idle session."""
        now = trio.current_time()
        if to_client:
            self._server_moved = now
        if now - self._armed > REARM:
            self._move_deadline(now)

    def _move_deadline(self, now: float) -> None:
        self._armed = now
        self._scope.deadline = now + self._idle_limit + REARM

    def _end(self, ending: Ending) -> None:
        """One direction cannot go on, so neither can."""
        # Who has said goodbye is often gone before our own goodbye arrives, and resets the connection: nothing broke.
        finished = self._half_closed and self._last_octet == ord("\n")
        self._ending = Ending.CLOSED if finished else ending
        self._scope.cancel()
