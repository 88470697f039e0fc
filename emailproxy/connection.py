"""How do octets reach one peer? A non-blocking socket, in plain text or through TLS, with buffers that nobody owns.

A connection holds no buffer while it is idle. What arrives is received into one scratch buffer that every connection of
the thread shares, and decrypted into a second one; both are empty again before anything awaits. Two levels:

* `receive_nowait` and `send_nowait` never wait and copy as little as they can. The relay is made of them.
* `receive`, `send` and the handshakes wait. The login is made of them. They can always be
  cancelled; sending lets other tasks run only when it has to wait, as a turn of the scheduler costs more than the rest.

A cancelled `send` or handshake leaves a TLS stream in the middle of a record: only `close` is left then.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import cast

import trio

__all__ = ["Connection", "Scratch"]

TURNS = 4
"""Times in a row that `Connection.receive` answers at once; then others have their turn, so that no flood starves them.
A login has fewer, and a turn of the scheduler costs more than what is done in it."""

SCRATCH_SIZE = 256 * 1024
"""Octets of each scratch buffer: what one wake-up carries. Less costs system calls, more the processor's cache."""

MORE = getattr(socket, "MSG_MORE", 0)
"""The end of the connection follows and goes into the same packet, where the system knows how (Linux)."""

MAX_UNREAD = 2 * SCRATCH_SIZE
"""Octets that wait for a peer that keeps asking for new keys: what the relay may have waiting for it, twice."""

FEED_SIZE = 64 * 1024
"""Octets given to OpenSSL at a time. A memory BIO never shrinks, so this bounds what a once busy connection keeps."""


class Scratch:
    """The two buffers that all connections of one thread share; valid only until the next await."""

    __slots__ = ("encrypted", "plain")

    def __init__(self) -> None:
        self.encrypted = memoryview(bytearray(SCRATCH_SIZE))
        self.plain = memoryview(bytearray(SCRATCH_SIZE))


class Connection:
    """One peer. Owns `sock`, which must be non-blocking; the caller closes the connection.

    Attributes:
        sock: the socket, non-blocking.
        fd: its file descriptor.
        drained: whether the last receive emptied the kernel's buffer.
        received: octets of content received so far.
        sent: octets of content accepted for sending so far.
    """

    __slots__ = (
        "_ended",
        "_incoming",
        "_outgoing",
        "_rest",
        "_scratch",
        "_shut",
        "_tls",
        "_turns",
        "drained",
        "fd",
        "received",
        "sent",
        "sock",
    )

    def __init__(self, sock: socket.socket, scratch: Scratch) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self._scratch = scratch
        self._tls: ssl.SSLObject | None = None
        self._incoming: ssl.MemoryBIO
        self._outgoing: ssl.MemoryBIO
        self._rest: bytes | memoryview = b""  # on-the-wire octets that the kernel did not take
        self._ended = False  # the peer said close_notify or FIN under TLS
        self._shut = False  # we did
        self._turns = 0  # since `receive` let others run
        self.drained = True
        self.received = 0
        self.sent = 0

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS state, None in plain text."""
        return self._tls

    @property
    def blocked(self) -> bool:
        """Whether octets wait for the kernel to take them."""
        return bool(self._rest)

    @property
    def buffered(self) -> bool:
        """Whether something has been received and not been handed on, so that the socket may never turn readable."""
        tls = self._tls
        return tls is not None and (self._ended or bool(self._incoming.pending) or bool(tls.pending()))

    # --- never waiting ------------------------------------------------------------------------------------------------

    def receive_nowait(self) -> memoryview | None:
        """What has arrived, all of it that is complete: a view into the scratch buffer, empty at the end of the stream.

        None if nothing (complete) has arrived: wait until the socket is readable. After an answer, `drained` tells
        whether the kernel had no more, so that asking again would only cost a system call.

        Raises:
            OSError: the connection is broken; includes ssl.SSLError.
        """
        encrypted, plain = self._scratch.encrypted, self._scratch.plain
        tls = self._tls
        if tls is None:
            try:
                count = self.sock.recv_into(plain)
            except BlockingIOError:
                return None
            self.drained = count < SCRATCH_SIZE
            self.received += count
            return plain[:count]
        # Records that did not fit into the plain buffer last time come first.
        count = self._decrypt(tls, 0) if self._incoming.pending or tls.pending() else 0
        if count == 0 and not self._ended:
            try:
                size = self.sock.recv_into(encrypted)
            except BlockingIOError:
                return None
            self.drained = size < SCRATCH_SIZE
            if size == 0:
                # No close_notify came first; mail protocols frame themselves, so it is an end like another.
                self._ended = True
            for start in range(0, size, FEED_SIZE):
                self._incoming.write(encrypted[start : min(start + FEED_SIZE, size)])
                count = self._decrypt(tls, count)
            # Records may be left, or the end may have been said behind the data: for neither the socket turns readable.
            if count == SCRATCH_SIZE or self._ended:
                self.drained = False
            # The answer to a key update (RFC 8446 section 4.6.3), which a peer may ask for without ever reading one.
            if self._outgoing.pending and not self.flush_nowait() and len(self._rest) > MAX_UNREAD:
                raise ConnectionAbortedError("the peer asks for new keys and reads nothing")
            if count == 0 and not self._ended:
                return None
        self.received += count
        return plain[:count]

    def _decrypt(self, tls: ssl.SSLObject, count: int) -> int:
        """Decrypt complete records into the plain buffer behind its first `count` octets; return the new count."""
        plain, incoming = self._scratch.plain, self._incoming
        while count < SCRATCH_SIZE:
            try:
                size = cast("int", tls.read(SCRATCH_SIZE - count, plain[count:]))  # typeshed says bytes
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                size = 0
            if size == 0:  # close_notify
                self._ended = True
                break
            count += size
            if not incoming.pending and not tls.pending():
                break  # spares the exception that would say so
        return count

    def send_nowait(self, data: memoryview | bytes) -> bool:
        """Take all of `data`; True if the kernel took it too, else call `flush` before the next call.

        What the kernel did not take is copied: at most `data` and the overhead of its records.

        Raises:
            OSError: the connection is broken.
        """
        self.sent += len(data)
        view = memoryview(data)
        if self._tls is None:
            count = 0
            if not self._rest:
                with contextlib.suppress(BlockingIOError):
                    count = self.sock.send(view)
            if count < len(view):
                self._rest = bytes(self._rest) + bytes(view[count:])
            return not self._rest
        write = self._tls.write
        for start in range(0, len(view), FEED_SIZE):
            piece = view[start : start + FEED_SIZE]
            while piece:
                piece = piece[write(piece) :]  # one record a call
            if not self._rest:
                self.flush_nowait()
            elif self._outgoing.pending:  # the kernel is full already: only make room in the shared buffer
                self._rest = bytes(self._rest) + self._outgoing.read()
        return not self._rest

    def flush_nowait(self, flags: int = 0) -> bool:
        """Give the kernel what waits; True if nothing is left. The flags are those of send(2)."""
        rest = self._rest
        if self._tls is not None and self._outgoing.pending:
            waiting = self._outgoing.read()
            rest = bytes(rest) + waiting if rest else waiting
        if rest:
            try:
                count = self.sock.send(rest, flags)
            except BlockingIOError:
                count = 0
            rest = b"" if count == len(rest) else memoryview(rest)[count:]
        self._rest = rest
        return not rest

    def shut_down_sending(self) -> None:
        """Tell the peer that nothing more comes (close_notify, FIN); receiving goes on. Never raises."""
        self._shut = True
        try:
            self._say_close_notify()
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def close(self) -> None:
        """Release the socket, which nobody may be waiting for. Never raises, harmless when repeated."""
        if self.sock.fileno() < 0:
            return
        if not self._shut and not self._rest:
            # A farewell if it costs nothing: a peer that hears close_notify knows that nothing was cut off.
            with contextlib.suppress(OSError):
                self._say_close_notify(MORE)
        self.sock.close()

    def _say_close_notify(self, flags: int = 0) -> None:
        if self._tls is not None:
            with contextlib.suppress(ssl.SSLWantReadError):  # for the answer to it, which nobody waits for
                self._tls.unwrap()
            self.flush_nowait(flags)

    # --- waiting ------------------------------------------------------------------------------------------------------

    async def receive(self) -> bytes:
        """What arrives next, b"" at the end of the stream. Cancelling it loses nothing.

        Raises:
            OSError: the connection is broken.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        view = self.receive_nowait()
        if view is not None:
            data = bytes(view)
            self._turns += 1
            if self._turns == TURNS:
                self._turns = 0
                await trio.lowlevel.cancel_shielded_checkpoint()
            return data
        self._turns = 0
        while view is None:
            await trio.lowlevel.wait_readable(self.fd)
            view = self.receive_nowait()
        return bytes(view)

    async def send(self, data: bytes) -> None:
        """Send all of `data`.

        Raises:
            OSError: the connection is broken.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if data and not self.send_nowait(data):
            await self.flush()

    async def flush(self) -> None:
        """Wait until the kernel has taken everything.

        Raises:
            OSError: the connection is broken.
        """
        while not self.flush_nowait():
            await trio.lowlevel.wait_writable(self.fd)

    async def start_tls(self, wrap: Callable[[ssl.MemoryBIO, ssl.MemoryBIO], ssl.SSLObject]) -> None:
        """Shake hands with the TLS object that `wrap` makes from the two BIOs; all that follows is TLS.

        Raises:
            OSError: broken, not TLS, or not trusted (ssl.SSLError, ssl.SSLCertVerificationError).
        """
        self.prepare_tls(wrap)
        await self.shake_hands()

    def prepare_tls(self, wrap: Callable[[ssl.MemoryBIO, ssl.MemoryBIO], ssl.SSLObject]) -> None:
        """The part of `start_tls` that needs no answer of the peer; `shake_hands` is the rest. Sends nothing.

        Raises:
            OSError: see `start_tls`.
        """
        assert self._tls is None, "TLS in TLS"
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = wrap(incoming, outgoing)
        self._incoming, self._outgoing = incoming, outgoing
        self._advance(self._tls)

    async def shake_hands(self) -> None:
        """The part of `start_tls` behind `prepare_tls`.

        Raises:
            OSError: see `start_tls`.
        """
        assert self._tls is not None, "prepare_tls comes first"
        finished = False
        while not finished:
            await self.flush()
            await trio.lowlevel.wait_readable(self.fd)
            try:
                size = self.sock.recv_into(self._scratch.encrypted)
            except BlockingIOError:
                continue
            if size == 0:
                raise ConnectionResetError("the peer closed the connection during the TLS handshake")
            self._incoming.write(self._scratch.encrypted[:size])
            finished = self._advance(self._tls)
        await self.flush()

    def _advance(self, tls: ssl.SSLObject) -> bool:
        """Go as far in the handshake as what has been received allows; whether it is over."""
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            with contextlib.suppress(OSError):
                self.flush_nowait()  # the alert that tells the peer why
            raise
        return True
