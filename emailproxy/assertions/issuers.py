"""Who issues the assertions that a configuration asks for? The names that ``emailproxy.assertions`` provides."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

from emailproxy.assertions.base import Issuer, IssuerAddress, IssuerFactory, Statement
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreContentError
from emailproxy.store.providers import installed, loaded, loading, provider

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "MAX_CHARACTERS", "SIGNER", "Issuers"]

GROUP: Final = "emailproxy.assertions"
SIGNER: Final = "adc"
"""Signs for a service account of Google, so that it belongs to that flow and proves no client's identity."""
MAX_CHARACTERS: Final = 16 * 1024
"""Of an assertion: real ones have one to three thousand, and it travels in one form field."""

_EXTRAS: Final[Mapping[str, str]] = MappingProxyType({SIGNER: "gcp"})
"""Which extra brings what an issuer needs, if it has another name."""
_WHAT: Final = "the issuer of assertions"
# RFC 7515 section 7.1: header, payload and signature, each Base64url without padding.
_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class _Opened:
    issuer: Issuer
    entry: EntryPoint | None


class Issuers:
    """The issuers of assertions, each opened when first used. Thread-safe; close it.

    Args:
        factories: issuers by name; None: what is installed.
    """

    def __init__(self, factories: Mapping[str, IssuerFactory] | None = None) -> None:
        self._factories = factories
        self._open: dict[str, _Opened] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Who proves a client's identity, sorted."""
        known = self._factories if self._factories is not None else installed(GROUP)
        return tuple(sorted(set(known) - {SIGNER}))

    def check(self, address: IssuerAddress) -> None:
        """Is it well-formed, and is what it needs installed? Blocks: it may import an SDK. Asks nobody.

        Raises:
            StoreAddressError: it is not; the message says what to write, or to install.
        """
        self._checked(address)

    def issue(self, address: IssuerAddress, statement: Statement) -> Secret:
        """A fresh assertion. Blocks; see `Issuer.issue`.

        Raises:
            StoreError: there is none to be had (now); the message never holds one.
        """
        found = self._checked(address).issue(address.rest, statement)
        if len(found.octets) > MAX_CHARACTERS or not _JWT.fullmatch(found.reveal()):
            raise StoreContentError(f"{address}: what came is no signed token (JWT); see what issues it")
        return found

    @property
    def opened(self) -> bool:
        """Whether there is something to close."""
        with self._lock:
            return bool(self._open)

    def close(self) -> None:
        """Close those that were opened; used again, they are opened again."""
        with self._lock:
            closing, self._open = self._open, {}
        for opened in closing.values():
            opened.issuer.close()

    def _checked(self, address: IssuerAddress) -> Issuer:
        if any(ord(character) < 32 for character in address.rest):
            raise StoreAddressError(f"{address}: an address takes one line, without control characters")
        with self._lock:
            opened = self._open.get(address.name)
            if opened is None:
                opened = self._open[address.name] = self._opened(address.name)
        with loading(opened.entry, _WHAT, _EXTRAS.get(address.name)) if opened.entry is not None else nullcontext():
            opened.issuer.check(address.rest)
        return opened.issuer

    def _opened(self, name: str) -> _Opened:
        if self._factories is not None:
            return _Opened(self._factories[name](), None)
        entry = provider(GROUP, name, f"nobody issues assertions as {name}; update emailproxy")
        with loading(entry, _WHAT):
            factory = cast("IssuerFactory", loaded(entry, _WHAT))
            return _Opened(factory(), entry)
