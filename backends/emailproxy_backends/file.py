"""How are records kept in a local INI file: the configuration file itself, or one of their own?

One section per account, with the options of `Record`; whatever else the file holds is the human's and stays octet for
octet. The classic proxy reads and writes the same format.
"""

from __future__ import annotations

import configparser
import contextlib
import errno
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from filelock import FileLock, Timeout

from emailproxy.ini import IrregularError
from emailproxy.store.about import about
from emailproxy.store.base import (
    CACHED_OPTIONS,
    Record,
    StoreAddressError,
    StoreConflictError,
    StoreContentError,
    Stored,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
    Version,
)
from emailproxy_backends.ini import UnwritableError, edited, parsed, without_if_empty
from emailproxy_backends.layout import Layout, cached, understood
from emailproxy_backends.replacing import ChangedError, replace

__all__ = ["FileStore", "open_store"]

# A replacement takes milliseconds; whoever holds the lock for longer than this hangs. Less than the write deadline of
# CachedStore (15 s), so that the message that names the lock wins.
LOCK_WAIT: Final = 10.0
LOCK_POLL: Final = 0.01
# File systems stamp times in steps of up to 10 ms, some in whole seconds (FAT: 2 s); within that, two contents can look
# alike. Nanoseconds, with a margin.
TIMESTAMP_STEP: Final = 100_000_000
COARSE_TIMESTAMP_STEP: Final = 2_000_000_000
# How often a file is read again because it changed while it was read or written, before that counts as a failure.
MAX_READS: Final = 10

# Records that are kept as they were read, so that a login does not read its section again: as many as CachedStore
# remembers, which shares them.
REMEMBERED: Final = 4096

_BOM: Final = b"\xef\xbb\xbf"
_PLAIN_SECRET: Final = "client_secret"  # noqa: S105 - an option's name
_SEALED_SECRET: Final = "client_secret_encrypted"  # noqa: S105 - an option's name

_DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read last, and what `os.stat` said about the file then."""

    content: Layout
    """The file, or what there is in it of records."""
    identity: tuple[int, ...]
    settled: bool
    """The last change was long enough ago for another one to show in `identity`."""
    stored: dict[str, Stored] = field(default_factory=dict)
    """Records that were read from it, by section: the last that were asked for."""


_EMPTY: Final = understood(b"")


class FileStore:
    """A `CacheStore` in an INI file, shared safely by the threads of a process and by processes of one machine.

    An account's section is found by its exact name, or else by its name without regard to case. Writing replaces the
    file under a lock (``PATH.lock``): see `emailproxy_backends.replacing`.
    """

    deletion = "the copy of the file from before, which ends in .bak, has it until the next write"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_wait = LOCK_WAIT
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        # The last content read, so that an unchanged file costs one stat.
        self._known: _Known | None = None

    def __repr__(self) -> str:
        return f"<FileStore {self.address}>"

    @property
    def address(self) -> str:
        """``file:PATH``."""
        return f"file:{self._path}"

    def load(self, account: str) -> Stored | None:
        """The account's record, from the file as it is now.

        Raises:
            StoreDeniedError: the file may not be read.
            StoreContentError: it is no INI file in UTF-8, or a number in the section is none.
            StoreUnavailableError: it could not be read for another reason.
        """
        known = self._read()
        return self._stored(known, known.content.section(account))

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the cached options in the account's section, or append the section.

        When a sealed client secret comes into a section that holds the plain one, the plain one is removed, and the
        backup is a copy of the new file, so that the plain secret is on the disk no longer.

        Raises:
            StoreConflictError: the section is no longer what `expected` names.
            StoreDeniedError: the file or its folder may not be written.
            StoreContentError: the file is not understood, or the record cannot be written into it.
            StoreUnavailableError: disk full, lock held too long, and the like.
        """
        return self._alone(lambda path: self._save_once(path, account, record, expected))

    def delete(self, account: str) -> bool:
        """Remove the cached options from the account's section; the section itself too if it holds nothing else.

        Everything else in the section is the person's and stays, as does what `emailproxy_backends.ini` counts as her
        words. With the options goes a sealed client secret, which may be the only copy. The backup is the file from
        before, so what was deleted by mistake is in ``PATH.bak`` until the next write.

        Raises:
            StoreError: as `save`, but for the conflict.
        """
        return self._alone(lambda path: self._delete_once(path, account))

    def _alone(self, change: Callable[[Path], T]) -> T:
        """Run `change` on the file's real path under its lock, again for as long as others are faster."""
        with self._writing, self._failures("written"):
            path = Path(os.path.realpath(self._path))
            # The lock would create it; a mistyped path shall not leave folders behind.
            if not path.parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            with self._locked(path):
                for _ in range(MAX_READS):
                    with contextlib.suppress(ChangedError):
                        return change(path)
            raise StoreUnavailableError(f"{self.address} changes faster than it can be saved; see what else writes it")

    def _save_once(self, path: Path, account: str, record: Record, expected: Version | None) -> Version:
        """Read, change, replace. Raises ChangedError if a person or another program was faster; StoreError."""
        known = self._read(to_write=True)
        content = known.content
        section = content.section(account)
        stored = self._stored(known, section)
        # A record without content and no record look the same in a file.
        if expected not in ({stored.version} if stored else {None, _version({})}):
            raise StoreConflictError(f"{self.address}: the record of {account} changed meanwhile; read it again")
        wanted = {name: text for name, text in record.to_options(CACHED_OPTIONS).items() if text}
        there = content.options(section) if section is not None else {}
        if wanted == cached(there):
            return _version(wanted)
        drop_plain = _PLAIN_SECRET in there and wanted.get(_SEALED_SECRET) not in (None, there.get(_SEALED_SECRET))
        after = self._edited(content, account, section, wanted, drop_plain=drop_plain)
        before = content.octets if path.exists() else None
        self._replace(path, content, after, after.octets if drop_plain else before, section or account)
        return _version(wanted)

    def _delete_once(self, path: Path, account: str) -> bool:
        """As `_save_once`."""
        content = self._read(to_write=True).content
        section = content.section(account)
        if section is None or section not in content.records:
            return False
        emptied = self._edited(content, account, section, {}, drop_plain=False)
        self._replace(path, content, self._without_if_empty(emptied, section), content.octets, section)
        return True

    def _replace(self, path: Path, before: Layout, after: Layout, backup: bytes | None, changed: str) -> None:
        replace(path, after.octets, backup, lambda: _octets(path) == before.octets)
        with self._reading:
            known, status = self._known, path.stat()
            # What was read of the other sections is as true as before.
            stored = dict(known.stored) if known is not None and known.content is before else {}
            stored.pop(changed, None)
            self._know(after, status, stored)

    def accounts(self) -> list[str]:
        """The names of the sections that hold a cached option.

        Raises:
            StoreError: as `load`.
        """
        return sorted(self._read().content.records)

    def close(self) -> None:
        """Forget the content; nothing else is held open."""
        with self._reading:
            self._known = None

    def _stored(self, known: _Known, section: str | None) -> Stored | None:
        if section is None or section not in known.content.records:
            return None
        stored = known.stored.get(section)
        if stored is not None:
            return stored
        options = cached(known.content.options(section))
        try:
            stored = Stored(Record.from_options(options), _version(options))
        except ValueError as error:
            raise StoreContentError(
                f"{self.address} [{section}]: {error}; mend the line, or remove it and authorise the account again"
            ) from None
        if len(known.stored) >= REMEMBERED:
            known.stored.clear()
        known.stored[section] = stored
        return stored

    def _read(self, *, to_write: bool = False) -> _Known:
        """The file as it is now; to write, all of it, and whatever its time stamps say."""
        with self._reading, self._failures("read"):
            for _ in range(MAX_READS):
                try:
                    known = self._read_once(to_write=to_write)
                except FileNotFoundError:
                    self._known = None
                    return _Known(_EMPTY, (), settled=False)
                if known is not None:
                    return known
                time.sleep(LOCK_POLL)
            raise StoreUnavailableError(f"{self.address} changes faster than it can be read; see what else writes it")

    def _read_once(self, *, to_write: bool) -> _Known | None:
        """The content; None if it changed meanwhile (an editor, or the classic proxy, writes in place)."""
        known = self._known
        if known is not None and not to_write and known.settled and known.identity == _identity(self._path.stat()):
            return known
        with self._path.open("rb") as file:
            before = os.fstat(file.fileno())
            octets = file.read()
            status = os.fstat(file.fileno())
        if _identity(before) != _identity(status) or len(octets) != before.st_size:
            return None
        if known is not None and known.content.octets == octets:
            return self._know(known.content, status, known.stored)
        content = self._understood(octets)
        return self._know(content if to_write else content.of_records(), status, {})

    def _know(self, content: Layout, status: os.stat_result, stored: dict[str, Stored]) -> _Known:
        self._known = known = _Known(content, _identity(status), _settled(status), stored)
        return known

    def _understood(self, octets: bytes) -> Layout:
        try:
            return understood(octets)
        except UnicodeDecodeError:
            raise StoreContentError(f"{self.address}: {_not_text(octets)}; save the file as UTF-8") from None
        except IrregularError:
            raise StoreContentError(f"{self.address}: {_where(octets)}; see `emailproxy check`") from None

    def _edited(
        self, content: Layout, account: str, section: str | None, wanted: Mapping[str, str], *, drop_plain: bool
    ) -> Layout:
        """The file after the change, proven to differ in nothing else."""
        name = account if section is None else section
        there = content.options(section) if section is not None else {}
        changes: dict[str, str | None] = {
            option: wanted.get(option) for option in CACHED_OPTIONS if option in wanted or option in there
        }
        if drop_plain:
            changes[_PLAIN_SECRET] = None
        # A new section goes to the end of the last part.
        first = content.places[section] if section is not None else max(content.parts - 1, 0)
        text = content.text(first, first + 1)
        try:
            after = edited(text, name, changes)
            after.encode()
        except UnwritableError as error:
            raise StoreContentError(f"{self.address}: an INI file cannot hold this value of {error}") from None
        except UnicodeEncodeError:
            raise StoreContentError(f"{self.address}: what is not UTF-8 cannot be stored") from None
        expected = parsed(text)
        mine = expected.setdefault(name, {})
        for option, value in changes.items():
            mine.pop(option, None)
            if value is not None:
                mine[option] = value
        if not _bears(content, first, first + 1, after, expected):
            raise StoreContentError(
                f"{self.address} [{name}]: the section cannot be changed without harm to the rest of the file, so the "
                "file was left as it is; write the section with one unindented `name = value` on each line"
            )
        return content.replaced(first, first + 1, after)

    @staticmethod
    def _without_if_empty(content: Layout, section: str) -> Layout:
        """The file without a section that holds nothing; or as it is, if the section cannot go without harm."""
        part = content.places[section]
        # The line above the header may be about it.
        first = max(part - 1, 0)
        text = content.text(first, part + 1)
        after = without_if_empty(text, section)
        rest = parsed(text)
        rest.pop(section)
        return content.replaced(first, part + 1, after) if _bears(content, first, part + 1, after, rest) else content

    @contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        lock = FileLock(
            path.with_name(path.name + ".lock"), timeout=self._lock_wait, mode=0o600, poll_interval=LOCK_POLL
        )
        try:
            lock.acquire()
        except Timeout:
            raise StoreUnavailableError(
                f"{self.address}: {lock.lock_file} is held by another process for over {LOCK_WAIT:.0f} s; end that"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _failures(self, done: str) -> Iterator[None]:
        """Turn what the operating system refuses into the contract's errors."""
        try:
            yield
        except OSError as error:
            raise self._failure(error, done) from error

    def _failure(self, error: OSError, done: str) -> StoreError:
        what = f"{self.address} cannot be {done}: {error.strerror or type(error).__name__}"
        if error.errno in _DENIED:
            remedy = (
                "give the proxy's user access to the file"
                if done == "read"
                else "let the proxy's user write into the file's folder, or keep tokens elsewhere with --cache-store"
            )
            return StoreDeniedError(f"{what}; {remedy}")
        if error.errno in _FULL:
            return StoreUnavailableError(f"{what}; make room, the old content is still there")
        if error.errno == errno.EBUSY:
            return StoreUnavailableError(
                f"{what}; if the file itself is mounted, mount its folder instead, or use --cache-store"
            )
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return StoreUnavailableError(f"{what}; create its folder")
        return StoreUnavailableError(what)


def _parsed(address: str) -> Path:
    if not address or "\0" in address:
        raise StoreAddressError(f"file:{address!r} names no file; write file:PATH")
    return Path(address)


@about(
    ("file:PATH", "a file of its own, one section for each account"),
    ("PATH", "the same"),
    parse=_parsed,
)
def open_store(address: str) -> FileStore:
    """The store for ``file:PATH`` or a bare path, given without the prefix.

    Raises:
        StoreAddressError: the path is empty or holds a NUL.
    """
    path = _parsed(address)
    return FileStore(path.expanduser() if address.startswith("~") else path)


def _octets(path: Path) -> bytes:
    """The file's content; none if there is no file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _settled(status: os.stat_result) -> bool:
    """Whether another change would have another time by now."""
    coarse = not (status.st_mtime_ns % 1_000_000_000 and status.st_ctime_ns % 1_000_000_000)
    age = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns)
    return age > (COARSE_TIMESTAMP_STEP if coarse else TIMESTAMP_STEP)


def _version(options: Mapping[str, str]) -> Version:
    return Version(hashlib.sha256(json.dumps(sorted(options.items())).encode()).hexdigest())


def _bears(content: Layout, first: int, last: int, text: str, expected: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether `text` says what is expected where these parts stand, and changes nothing for the parts around it."""
    try:
        said = parsed(text)
    except configparser.Error:
        return False
    begins = not first or text.startswith("[")
    ends = last >= content.parts or not text or text.endswith(("\n", "\r"))
    return said == expected and begins and ends


def _not_text(octets: bytes) -> str:
    try:
        octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        return f"line {line} is not UTF-8"
    return "it is not UTF-8"


def _where(octets: bytes) -> str:
    """What `configparser` does not like. Its own text may quote the line, and the line may hold a secret."""
    try:
        parsed(octets.removeprefix(_BOM).decode())
    except configparser.MissingSectionHeaderError as error:
        return f"line {error.lineno} stands before the first [section]"
    except configparser.DuplicateSectionError as error:
        return f"line {error.lineno} begins a section a second time"
    except configparser.DuplicateOptionError as error:
        return f"line {error.lineno} gives an option of its section a second time"
    except configparser.ParsingError as error:
        return f"line {error.errors[0][0]} is no option, section or comment" if error.errors else "it is no INI file"
    return "it is no INI file"
