"""What does ``file:PATH`` lead to? The content of a file, as containers and service managers hand secrets over."""

from __future__ import annotations

import datetime as dt
import errno
import os
import stat
from pathlib import Path
from typing import Final

from emailproxy.references.base import SecretValue
from emailproxy.secret import Secret
from emailproxy.store.base import (
    StoreAddressError,
    StoreContentError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)

__all__ = ["FileSource"]

LIMIT: Final = 1024 * 1024
"""Octets. A chain of certificates with its key is a few KiB; a log file by mistake must not fill the memory."""


class FileSource:
    """Reads files. A text loses its final line end, which editors and ``echo`` add; octets that are no text do not."""

    local = True

    def check(self, rest: str) -> None:
        """A path?

        Raises:
            StoreAddressError: it is empty.
        """
        if not rest.strip():
            raise StoreAddressError("file: takes a path; write file:PATH")

    def read(self, rest: str, *, dated: bool = False) -> SecretValue:  # noqa: ARG002 - a date costs nothing
        """The file's content.

        Raises:
            StoreAddressError: there is no such file.
            StoreDeniedError: it may not be read.
            StoreContentError: it is too large, or no file.
            StoreUnavailableError: it cannot be read for another reason.
        """
        self.check(rest)
        path = Path(rest).expanduser() if rest.startswith("~") else Path(rest)
        try:
            with open(path, "rb", opener=_at_once) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise StoreContentError(f"file:{rest} is no regular file; name one")
                octets = file.read(LIMIT + 1)
        except (OSError, RuntimeError) as error:
            raise _failure(rest, error) from None
        if len(octets) > LIMIT:
            raise StoreContentError(f"file:{rest} has more than {LIMIT} octets; name a file that holds the value alone")
        changed = dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
        everybody = os.name == "posix" and status.st_mode & stat.S_IROTH
        remark = "every user of this machine can read the file; run chmod o-r" if everybody else ""
        return SecretValue(Secret.from_octets(_without_line_end(octets)), changed, remark)

    def close(self) -> None:
        """Nothing is held open."""


def _at_once(path: str, flags: int) -> int:
    # A named pipe without a writer would block for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _without_line_end(octets: bytes) -> bytes:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return octets
    return octets.removesuffix(b"\n").removesuffix(b"\r") if octets.endswith(b"\n") else octets


def _failure(rest: str, error: OSError | RuntimeError) -> StoreError:
    # pathlib says RuntimeError for a home folder that is not known.
    number = error.errno if isinstance(error, OSError) else errno.ENOENT
    reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    what = f"file:{rest} cannot be read: {reason}"
    if number in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG):
        return StoreAddressError(f"{what}; create it, or correct the path (relative ones begin at {Path.cwd()})")
    if number in (errno.EACCES, errno.EPERM):
        return StoreDeniedError(f"{what}; let the proxy's user read it")
    return StoreUnavailableError(what)
