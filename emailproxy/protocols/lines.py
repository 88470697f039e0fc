"""How are lines of bounded length, and literals of exact length, cut out of what arrives in any pieces?"""

from __future__ import annotations

__all__ = ["LineTooLongError", "ReceiveBuffer", "TooLongError"]


class TooLongError(Exception):
    """The other side said more than a limit allows; the message says what. Never leaves this package."""


class LineTooLongError(TooLongError):
    """More octets than the limit without a line end."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a line of more than {limit} octets")


class ReceiveBuffer:
    """Octets received and not used yet.

    Time is linear in what is fed, in whatever pieces: no octet is searched twice for a line end, and taking from the
    front of a bytearray moves its start, not its content.
    """

    __slots__ = ("_data", "_ended", "_searched")

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0
        self._ended = False

    def __len__(self) -> int:
        return len(self._data)

    @property
    def ended(self) -> bool:
        """Whether the other side closed: `feed` was given b""."""
        return self._ended

    def feed(self, data: bytes) -> None:
        """Append `data`; b"" says that nothing follows."""
        if data:
            self._data += data
        else:
            self._ended = True

    def line(self, limit: int) -> bytes | None:
        """Take the next line without its CRLF, or None if it is not complete. A bare LF ends a line as well.

        Raises:
            LineTooLongError: the line has more than `limit` octets, complete or not. Nothing is taken.
        """
        end = self._data.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._data)
            # One octet more than the limit may still be the CR of a line that fits.
            if len(self._data) > limit + 1:
                raise LineTooLongError(limit)
            return None
        length = end - 1 if end and self._data[end - 1] == 0x0D else end
        if length > limit:
            self._searched = end
            raise LineTooLongError(limit)
        line = bytes(self._data[:length])
        self._take(end + 1)
        return line

    def exactly(self, count: int) -> bytes | None:
        """Take exactly `count` octets, or None if there are fewer."""
        if len(self._data) < count:
            return None
        octets = bytes(self._data[:count])
        self._take(count)
        return octets

    def peek(self, count: int) -> bytes:
        """The first `count` octets or fewer, which stay where they are."""
        return bytes(self._data[:count])

    def rest(self) -> bytes:
        """Everything, which stays where it is."""
        return bytes(self._data)

    def clear(self) -> None:
        """Forget everything."""
        self._take(len(self._data))

    def _take(self, count: int) -> None:
        del self._data[:count]
        self._searched = 0
