r"""Which texts are references, and who follows them? The prefixes that the group ``emailproxy.secrets`` provides.

A text is a reference if it begins with such a prefix and a colon; ``C:\path`` and ``https://…`` are none, since nobody
provides ``C`` or ``https``. What a reference leads to is never taken for another one, so a value that happens to begin
with ``env:`` is written into a file or a variable, and referred to.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from emailproxy.references.base import Reference, SecretSource, SecretValue, SourceFactory
from emailproxy.store.base import StoreAddressError, StoreContentError
from emailproxy.store.providers import installed, loaded, loading, provider

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "Sources"]

GROUP: Final = "emailproxy.secrets"

_WHAT: Final = "the source of secrets"

# Two letters at least: the one in C:\path is a drive.
_ADDRESS: Final = re.compile(r"(?P<prefix>[A-Za-z][A-Za-z0-9+-]+):(?P<rest>.*)", re.DOTALL)

_NEVER: Final = frozenset({"http", "https"})
"""A URL is a value by itself, and the most usual one: nobody need be looked for who follows it."""


class Sources:
    """The sources of secrets, each opened when its prefix is first used. Thread-safe; close it.

    Args:
        factories: sources by prefix; None: what is installed.
    """

    def __init__(self, factories: Mapping[str, SourceFactory] | None = None) -> None:
        self._factories = factories
        self._prefixes = frozenset(factories) if factories is not None else None
        self._open: dict[str, _Opened] = {}
        self._lock = threading.Lock()

    def reference(self, text: str) -> Reference | None:
        """The reference that `text` is, or None if it is an ordinary value."""
        match = _ADDRESS.fullmatch(text)
        if match is None:
            return None
        prefix = match["prefix"].lower()
        if prefix in _NEVER:
            return None
        if self._prefixes is None:
            self._prefixes = frozenset(installed(GROUP))
        return Reference(prefix, match["rest"]) if prefix in self._prefixes else None

    def check(self, reference: Reference) -> None:
        """Is it well-formed, and is what it needs installed? Blocks: it may import an SDK. Asks nobody.

        Raises:
            StoreAddressError: it is not; the message says what to write, or to install.
        """
        self._checked(reference)

    def read(self, reference: Reference, *, dated: bool = False) -> SecretValue:
        """What it leads to. Blocks; see `SecretSource.read`.

        Raises:
            StoreError: there is no value to be had (now); the message names the address, never a value.
        """
        found = self._checked(reference).read(reference.rest, dated=dated)
        if not found.value:
            raise StoreContentError(f"{reference}: what is kept there is empty")
        return found

    @property
    def opened(self) -> bool:
        """Whether there is something to close."""
        with self._lock:
            return bool(self._open)

    def blocks(self, reference: Reference) -> bool:
        """Whether `read` needs a thread; True as long as nobody has opened the source."""
        with self._lock:
            opened = self._open.get(reference.prefix)
        return opened is None or bool(getattr(opened.source, "blocks", True))

    def is_local(self, reference: Reference) -> bool:
        """Whether reading asks nobody but this machine. Opens the source.

        Raises:
            StoreAddressError: as `check`.
        """
        return bool(getattr(self._checked(reference), "local", False))

    def close(self) -> None:
        """Close those that were opened; used again, they are opened again."""
        with self._lock:
            closing, self._open = self._open, {}
        for opened in closing.values():
            opened.source.close()

    def _checked(self, reference: Reference) -> SecretSource:
        if any(ord(character) < 32 for character in reference.rest):
            raise StoreAddressError(f"{reference}: an address takes one line, without control characters")
        with self._lock:
            opened = self._open.get(reference.prefix)
            if opened is None:
                opened = self._open[reference.prefix] = self._opened(reference.prefix)
        with loading(opened.entry, _WHAT) if opened.entry is not None else nullcontext():
            opened.source.check(reference.rest)
        return opened.source

    def _opened(self, prefix: str) -> _Opened:
        if self._factories is not None:
            return _Opened(self._factories[prefix](), None)
        entry = provider(GROUP, prefix, f"nobody follows {prefix}: any more; write another reference")
        with loading(entry, _WHAT):
            factory = cast("SourceFactory", loaded(entry, _WHAT))
            return _Opened(factory(), entry)


@dataclass(frozen=True, slots=True)
class _Opened:
    source: SecretSource
    entry: EntryPoint | None
