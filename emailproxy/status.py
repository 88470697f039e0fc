"""What does a running proxy say about itself to other processes? One small file, as a rule beside its configuration.

``CONFIG.status`` is JSON, readable by the proxy's own user only, replaced as a whole and removed at a clean end. A lock
(``CONFIG.status.lock``) is held as long as the proxy lives, however it dies: a file without a holder of its lock is
*stale*, whoever has got the process id meanwhile, and whichever container it is looked at from.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from emailproxy.runfiles import run_file
from emailproxy.store.health import StoreHealth

__all__ = [
    "Presence",
    "Status",
    "StatusFile",
    "StatusReading",
    "UnsavedAccount",
    "WaitingAccount",
    "read_status",
    "status_path",
]

FORMAT: Final = 1
"""Grows when a reader of the old format would misunderstand the new one; new fields do not count."""
MAX_SIZE: Final = 4 * 1024 * 1024
"""Octets that are read: 10,000 accounts with unsaved tokens are about 3 MB."""
MAX_UNSAVED: Final = 10_000
"""Accounts that are listed: as many as one process may serve."""


@dataclass(frozen=True, slots=True)
class UnsavedAccount:
    """An account whose new tokens are in the proxy's memory only, because they could not be stored."""

    account: str
    since: float
    """Unix time of the first attempt."""
    attempts: int
    next_try: float | None
    """Unix time; None: one is under way."""
    error: str
    """Why the last attempt failed."""


@dataclass(frozen=True, slots=True)
class WaitingAccount:
    """An account that needs a person's consent. Without the address to open, whose secret is not for a file."""

    account: str
    reason: str
    since: float | None = None
    """Unix time at which somebody was asked; None: nobody is being asked now."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the file says."""

    pid: int
    started: float
    """Unix time at which the proxy started."""
    store: str
    """The store's address."""
    ready: bool
    """Whether the store has answered since the start."""
    health: StoreHealth
    unsaved: tuple[UnsavedAccount, ...] = ()
    waiting: tuple[WaitingAccount, ...] = ()
    deferred: int = 0
    """Accounts whose newer refresh token is written later on purpose: the stored one stays valid."""
    written: float = 0.0
    """Unix time at which this was written, which is when it last changed."""
    format: int = FORMAT


class Presence(enum.Enum):
    """What a look at the status file found."""

    RUNNING = "running"
    STALE = "stale"
    """A proxy wrote it, and did not end cleanly."""
    ABSENT = "absent"
    """There is no file: no proxy runs with this configuration, or it cannot write there."""
    UNREADABLE = "unreadable"
    """There is one that cannot be read or understood; see `StatusReading.problem`."""


@dataclass(frozen=True, slots=True)
class StatusReading:
    """What `read_status` found."""

    presence: Presence
    status: Status | None = None
    """With RUNNING and STALE."""
    problem: str = ""
    """With UNREADABLE: why."""


def status_path(config: Path) -> Path:
    """Where the proxy with the configuration file `config` keeps its status."""
    return run_file(config, ".status")


def read_status(config: Path) -> StatusReading:
    """The status of the proxy that runs with the configuration file `config`. Blocks; raises nothing."""
    path = status_path(config)
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        return StatusReading(Presence.ABSENT)
    except OSError as error:
        return StatusReading(Presence.UNREADABLE, problem=f"{path}: {error.strerror}")
    try:
        status = _parsed(octets)
    except (ValueError, TypeError, KeyError, RecursionError):
        return StatusReading(Presence.UNREADABLE, problem=f"{path} is not a status file of this version")
    return StatusReading(Presence.RUNNING if _is_held(path) else Presence.STALE, status)


class StatusFile:
    """The running proxy's side. Its calls block; use it from one thread at a time.

    Args:
        config: the configuration file.
    """

    def __init__(self, config: Path) -> None:
        self._path = status_path(config)
        self._lock = _lock(self._path)

    @property
    def path(self) -> Path:
        """The file's."""
        return self._path

    def write(self, status: Status) -> None:
        """Replace the file.

        Raises:
            OSError: the folder cannot be written.
            Timeout: another proxy runs with the same configuration, and its status is there.
        """
        if not self._lock.is_locked:
            self._lock.acquire(timeout=0)
        text = json.dumps(asdict(status), ensure_ascii=True, separators=(",", ":"))
        # Made with mode 0600, as the account names in it deserve.
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
            Path(name).replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise

    def remove(self) -> None:
        """Remove the file, if it is ours. Calling it twice is harmless."""
        if not self._lock.is_locked:
            return
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
            # While it is held: whoever opened it meanwhile sees that it has no name any more, and begins anew.
            Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


def _lock(path: Path) -> FileLock:
    return FileLock(path.with_name(path.name + ".lock"), mode=0o600, thread_local=False)


def _is_held(path: Path) -> bool:
    """Whether somebody holds the lock: the proxy, since a reader holds it for no longer than this takes."""
    lock = _lock(path)
    if not Path(lock.lock_file).exists():
        return False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _parsed(octets: bytes) -> Status:
    document = json.loads(octets[: MAX_SIZE + 1])
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError("another format")
    known = {field.name for field in fields(Status)}
    values = {name: value for name, value in document.items() if name in known}
    health = {f.name: document["health"].get(f.name) for f in fields(StoreHealth)}
    values["health"] = StoreHealth(**health)
    values["unsaved"] = tuple(
        UnsavedAccount(**{f.name: entry[f.name] for f in fields(UnsavedAccount)}) for entry in document["unsaved"]
    )
    values["waiting"] = tuple(
        WaitingAccount(**{f.name: entry[f.name] for f in fields(WaitingAccount)})
        for entry in document.get("waiting", ())
    )
    return Status(**values)
