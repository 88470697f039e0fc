"""How is a file replaced so that a crash, a full disk or a power cut leaves the old or the new one, whole?

The new content is written to a temporary file beside the old one, flushed to the disk, and renamed over it; the folder
is flushed last. The content before is kept as ``.bak``. Whoever calls holds the lock of the file, so the temporary
names are fixed, and what a crash left behind is removed by the next replacement.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["ChangedError", "backup_of", "replace"]

# Tokens and secrets: the owner alone.
MODE: Final = 0o600


def backup_of(path: Path) -> Path:
    """Where the previous content of `path` is kept."""
    return path.with_name(path.name + ".bak")


class ChangedError(Exception):
    """Somebody changed the file while its replacement was prepared."""


def replace(path: Path, content: bytes, previous: bytes | None, unchanged: Callable[[], bool] = lambda: True) -> None:
    """Put `content` in the place of the regular file `path` (or create it), durably.

    Args:
        path: no symbolic link; its folder exists.
        content: the new content.
        previous: what to keep as the backup; None keeps none and leaves an older one as it is.
        unchanged: asked when all is flushed to the disk, which may take seconds: an editor does not know of our lock.

    Raises:
        ChangedError: `unchanged` said no; nothing was changed, except for the backup.
        OSError: nothing was changed, except that the backup may already be the new one.
    """
    new = path.with_name(f".{path.name}.new")
    owner = _owner(path)
    try:
        _write(new, content, owner)
        if previous is not None:
            kept = path.with_name(f".{path.name}.old")
            try:
                _write(kept, previous, owner)
                kept.replace(backup_of(path))
            except OSError:
                _discard(kept)
                raise
        if not unchanged():
            raise ChangedError
        new.replace(path)
    except (OSError, ChangedError):
        _discard(new)
        raise
    _flush_folder(path.parent)


def _write(path: Path, content: bytes, owner: tuple[int, int] | None) -> None:
    # A left-over of a crash; or a trap, which the exclusive creation then does not follow.
    _discard(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    try:
        os.fchmod(descriptor, MODE)
        if owner is not None:
            os.fchown(descriptor, *owner)
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _owner(path: Path) -> tuple[int, int] | None:
    """Whom the file belongs to, if that can be kept: a person's file stays hers when root runs the proxy."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        return status.st_uid, status.st_gid
    return None


def _discard(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _flush_folder(folder: Path) -> None:
    # The rename is done; a file system that cannot flush folders (some network ones) must not turn it into a failure.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
