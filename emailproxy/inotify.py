"""When has one of these files changed? Told by the kernel, so that waiting costs nothing.

On Linux the folders are watched in which the files, and the symbolic links on the way to them, stand: editors, certbot
and Kubernetes replace a file or a link and never write into it. Elsewhere, and where the kernel has no watch left, it
is time to look again every `POLL` seconds.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import trio

__all__ = ["POLL", "FileWatch", "places", "watching"]

log = logging.getLogger("emailproxy.app")

POLL: Final = 30.0
"""Seconds between two looks where the kernel tells nothing: soon enough for a certificate, and next to no cost."""

MAX_LINKS: Final = 40
"""Symbolic links followed for one path, as Linux has it (path_resolution(7))."""

READ_SIZE: Final = 64 * 1024
"""Octets of events taken at a time; what is more is taken with the next."""

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x08, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_WANTED: Final = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
_WHOLE_FOLDER: Final = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _OVERFLOW | _IGNORED
_EVENT: Final = struct.Struct("iIII")  # struct inotify_event: descriptor, mask, cookie, length of the name behind it


class FileWatch(Protocol):
    """What waits."""

    async def changed(self) -> None:
        """Wait until one of the files may have changed. Cancelling it loses nothing."""
        ...


class _Poll:
    """Says every now and then that something may have changed."""

    async def changed(self) -> None:
        """See `FileWatch`."""
        await trio.sleep(POLL)


class _Inotify:
    def __init__(self, descriptor: int, names: dict[int, set[bytes]]) -> None:
        self._descriptor = descriptor
        self._names = names

    async def changed(self) -> None:
        """See `FileWatch`."""
        while True:
            await trio.lowlevel.wait_readable(self._descriptor)
            if self._concerns(os.read(self._descriptor, READ_SIZE)):
                return

    def _concerns(self, events: bytes) -> bool:
        """Whether one of these is about a file of ours; the folder may be full of others."""
        position = 0
        while position < len(events):
            watch, mask, _, length = _EVENT.unpack_from(events, position)
            position += _EVENT.size + length
            name = events[position - length : position].rstrip(b"\0")
            if mask & _WHOLE_FOLDER or name in self._names.get(watch, ()):
                return True
        return False


def places(path: Path) -> set[tuple[Path, str]]:
    """The folders and names whose change may change what `path` leads to: its own, and each link's on the way.

    The file itself, which has no name there, is one more: a container may have it alone from another folder.
    """
    found: set[tuple[Path, str]] = set()
    waiting = [Path(os.path.abspath(path))]  # noqa: PTH100 - `resolve` would follow the links that are looked for
    for _ in range(MAX_LINKS):
        if not waiting:
            break
        here = waiting.pop()
        for part in (here, *here.parents):
            link = part.is_symlink()
            if link or part is here:
                found.add((part.parent, part.name))
            if link:
                target = part.parent / part.readlink() / here.relative_to(part)
                waiting.append(Path(os.path.normpath(target)))
                break
        else:
            found.add((here, ""))
    return found


@contextmanager
def watching(paths: Iterable[Path]) -> Iterator[FileWatch]:
    """Watch these files, whether or not they exist yet (their folders must). Nothing is missed from here on."""
    wanted = {place for path in paths for place in places(path)}
    descriptor = -1
    try:
        watch: FileWatch
        try:
            descriptor, names = _opened(wanted)
            watch = _Inotify(descriptor, names)
        except OSError as error:
            if error.errno != errno.ENOSYS:
                log.warning("changed files are looked for every %.0f s only: inotify: %s", POLL, error.strerror)
            watch = _Poll()
        yield watch
    finally:
        if descriptor >= 0:
            os.close(descriptor)


if sys.platform == "linux":

    def _opened(wanted: Iterable[tuple[Path, str]]) -> tuple[int, dict[int, set[bytes]]]:
        """An inotify descriptor that watches these, and the names that matter for each watch. Raises OSError."""
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        names: dict[int, set[bytes]] = {}
        try:
            for folder, name in wanted:
                watch: int = libc.inotify_add_watch(descriptor, os.fsencode(folder), _WANTED)
                if watch >= 0:
                    names.setdefault(watch, set()).add(os.fsencode(name))
                elif ctypes.get_errno() not in {errno.ENOENT, errno.ENOTDIR, errno.EACCES}:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                else:
                    log.debug("%s cannot be watched: %s", folder, os.strerror(ctypes.get_errno()))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, names

else:

    def _opened(wanted: Iterable[tuple[Path, str]]) -> tuple[int, dict[int, set[bytes]]]:
        """There is no inotify here."""
        raise OSError(errno.ENOSYS, f"no inotify for {wanted}")
