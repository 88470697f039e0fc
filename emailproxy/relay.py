"""How do octets get from one connection to another, once nobody needs to understand them? As fast as they come.

Whoever waits for the sockets (`emailproxy.readiness`) gives the relay a turn when one is ready. A turn is a burst in
each direction that is ready, which awaits nothing: receive all that is there into the shared scratch buffer, hand it to
the other side, go on while more has arrived. Only when the other kernel does not take everything is the rest copied (at
most one scratch buffer, 256 KiB), and nothing more is read until it is gone: that is the backpressure.
"""

from __future__ import annotations

import enum
import math
import socket
from collections.abc import Callable

import trio

from emailproxy.connection import Connection
from emailproxy.readiness import EachByTask, Next, Readiness

__all__ = ["Ending", "Relay"]

BURST = 16
"""Receives in a row before other tasks run: 16 x 256 KiB take a few milliseconds, the delay that others may feel."""

LINGER = 60.0
"""Seconds a client may stay silent after the server has closed: time to notice, no session any more."""

SHORT_GOODBYE = 128
"""Octets of a goodbye that is looked at: one line. Larger pieces are mail."""

QUIET = 1.0
"""Seconds without an octet from the server after which its last line end is taken for the end of a response."""


class Ending(enum.Enum):
    """Why a relay ended; the words go to the log."""

    CLOSED = "closed"
    TOKEN_EXPIRED = "token expired (normal)"  # noqa: S105
    """Exchange ends a session when the access token does that began it; the client logs in again."""
    IDLE = "idle for too long"
    CLIENT_BROKEN = "connection of the client broke"
    SERVER_BROKEN = "connection of the server broke"


class _Way:
    """One direction."""

    __slots__ = ("blocked", "finished", "moved", "sink", "sink_broken", "source", "source_broken", "to_client")

    def __init__(
        self, source: Connection, sink: Connection, source_broken: Ending, sink_broken: Ending, *, to_client: bool
    ) -> None:
        self.source = source
        self.sink = sink
        self.source_broken = source_broken
        self.sink_broken = sink_broken
        self.to_client = to_client
        self.blocked = False
        """The sink's kernel is full, so nothing is read from the source."""
        self.finished = False
        """The source has closed, and the sink was told."""
        self.moved = -math.inf
        """When the source was last heard."""


class Relay:
    """Two connections, joined. Owns neither: the caller closes both after `run`.

    Args:
        client: the mail client, logged in.
        server: the mail server, logged in.
        idle_limit: seconds without an octet in either direction after which the session ends.
        tap: for debugging, called with each piece before it is passed on and whether it goes to the client.
        readiness: makes what waits for the two sockets.

    Attributes:
        started: when it was made.
        ending: why `run` ended; None if it was stopped or cancelled.
    """

    __slots__ = (
        "_active",
        "_client",
        "_down",
        "_farewell",
        "_half_closed",
        "_idle_limit",
        "_last_octet",
        "_readiness",
        "_received",
        "_server",
        "_stopped",
        "_tap",
        "_up",
        "ending",
        "started",
    )

    def __init__(
        self,
        client: Connection,
        server: Connection,
        idle_limit: float,
        tap: Callable[[memoryview, bool], None] | None = None,
        readiness: Callable[[], Readiness] = EachByTask,
    ) -> None:
        self._client = client
        self._server = server
        self._down = _Way(server, client, Ending.SERVER_BROKEN, Ending.CLIENT_BROKEN, to_client=True)
        self._up = _Way(client, server, Ending.CLIENT_BROKEN, Ending.SERVER_BROKEN, to_client=False)
        self._idle_limit = idle_limit
        self._tap = tap
        self._readiness = readiness()
        self._half_closed = False  # one side has said that nothing more comes
        self._stopped = False
        self._received = client.received, server.received  # before
        self._last_octet = ord("\n")  # the login's reply was a line
        self._farewell = b""  # what the server said last, if it was an untagged line of IMAP
        self.ending: Ending | None = None
        self.started = self._active = self._down.moved = trio.current_time()

    async def run(self) -> None:
        """Carry octets until both sides have closed, one broke, neither says anything for too long, or `stop`.

        Raises:
            OSError: the system does not let anybody wait for so many sockets.
        """
        try:
            self._watch(self._client)
            self._watch(self._server)
            await self._readiness.attend(self)
        finally:
            self._readiness.close()
            if self.ending is None and trio.current_time() >= self.deadline:
                self.ending = Ending.IDLE
            if self.ending is not None and b"AccessTokenExpired" in self._farewell:
                self.ending = Ending.TOKEN_EXPIRED

    @property
    def deadline(self) -> float:
        """When the silence is too long. See `Turns`."""
        return self._active + self._idle_limit

    @property
    def octets(self) -> tuple[int, int]:
        """Carried so far, up and down."""
        up, down = self._received
        return self._client.received - up, self._server.received - down

    def stop(self) -> None:
        """Let `run` end. Never waits, never raises."""
        self._stopped = True
        self._readiness.stop()

    def silent_since(self) -> float | None:
        """When the last octet passed, if it was the end of a line of the server's and nothing has come since.

        None while the client waits for an answer, or either side has said something that is still on its way.
        """
        up, down = self._up, self._down
        if self._last_octet != ord("\n") or up.moved >= down.moved or up.blocked or down.blocked:
            return None
        if _has_unread(self._client) or _has_unread(self._server):
            return None
        return down.moved

    def overhear(self, tap: Callable[[memoryview, bool], None]) -> None:
        """From now on show `tap` each piece too."""
        before = self._tap

        def both(data: memoryview, to_client: bool) -> None:
            assert before is not None
            before(data, to_client)
            tap(data, to_client)

        self._tap = tap if before is None else both

    def say_goodbye(self, words: bytes) -> None:
        """Send `words` to the client, if that cannot fall into the middle of a response. Never waits, never raises."""
        quiet = trio.current_time() - self._down.moved >= QUIET
        # What the client has not taken yet is only the beginning of what the server is saying.
        if self._last_octet == ord("\n") and quiet and not self._client.blocked:
            try:
                self._client.send_nowait(words)
            except OSError:
                self._end(Ending.CLIENT_BROKEN)

    # --- turns --------------------------------------------------------------------------------------------------------

    def go_on(self) -> Next:
        """Carry what a connection holds already, which does not make its socket readable. See `Turns`."""
        self._active = now = trio.current_time()
        more = False
        for way in (self._down, self._up):
            if not (way.blocked or way.finished) and way.source.buffered:
                way.moved = now
                more |= self._carry(way)
        return self._following(more=more)

    def act(self, fd: int, readable: bool, writable: bool) -> Next:
        """Carry what has come, or what waited for room. See `Turns`."""
        self._active = now = trio.current_time()
        reads, writes = (self._up, self._down) if fd == self._client.fd else (self._down, self._up)
        more = False
        if writable and writes.blocked and self._unblock(writes):
            writes.moved = now
            more = self._carry(writes)
        if readable and not (reads.blocked or reads.finished):
            reads.moved = now
            more |= self._carry(reads)
        return self._following(more=more)

    def _following(self, *, more: bool) -> Next:
        if self.ending is not None or self._stopped:
            return Next.OVER
        if self._down.finished:
            if self._up.finished:
                self.ending = Ending.CLOSED
                return Next.OVER
            if self._idle_limit > LINGER:
                self._idle_limit = LINGER
                self._readiness.wake_by(self.deadline)
        return Next.AGAIN if more else Next.WAIT

    def _carry(self, way: _Way) -> bool:
        """Carry what is there in one direction, at most a burst; whether the source holds more already."""
        source, sink, to_client = way.source, way.sink, way.to_client
        for _ in range(BURST):
            try:
                data = source.receive_nowait()
            except OSError:
                self._end(way.source_broken)
                return False
            if data is None:
                return False
            if not data:
                way.finished = self._half_closed = True
                if self._up.finished and self._down.finished:  # all is over, and the caller closes both
                    return False
                self._watch(source)
                sink.shut_down_sending()
                return False
            if self._tap is not None:
                self._tap(data, to_client)
            if to_client:
                self._last_octet = data[-1]
                if data[0] == 0x2A and len(data) <= SHORT_GOODBYE:  # b"*"
                    self._farewell = bytes(data)
            try:
                taken = sink.send_nowait(data)
            except OSError:
                self._end(way.sink_broken)
                return False
            if not taken:
                way.blocked = True
                self._watch(source)
                self._watch(sink)
                return False
            if source.drained:
                return False
        return source.buffered

    def _unblock(self, way: _Way) -> bool:
        """The sink takes something again; whether it took all that waited, so that reading may go on."""
        try:
            if not way.sink.flush_nowait():
                return False
        except OSError:
            self._end(way.sink_broken)
            return False
        way.blocked = False
        self._watch(way.source)
        self._watch(way.sink)
        return True

    def _watch(self, connection: Connection) -> None:
        """Await of `connection` what its two directions need."""
        reads, writes = (self._up, self._down) if connection is self._client else (self._down, self._up)
        readable = not (reads.blocked or reads.finished)
        self._readiness.watch(connection.fd, readable=readable, writable=writes.blocked)

    def _end(self, ending: Ending) -> None:
        """One direction cannot go on, so neither can."""
        # Who has said goodbye is often gone before our own goodbye arrives, and resets the connection: nothing broke.
        finished = self._half_closed and self._last_octet == ord("\n")
        self.ending = Ending.CLOSED if finished else ending


def _has_unread(connection: Connection) -> bool:
    """Whether something has arrived that nobody has received yet, be it the end."""
    if connection.buffered:
        return True
    try:
        connection.sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:  # broken, which the next look at it will find
        return True
    return True
