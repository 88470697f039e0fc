"""Which store does an address mean? The prefix names an entry point of the group ``emailproxy.stores``.

The built-in stores come in through the same door as a stranger's, and an SDK is imported only when its prefix is used.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from emailproxy.store.about import AddressForm, about_of
from emailproxy.store.base import CacheStore, StoreAddressError, StoreFactory
from emailproxy.store.providers import (
    ambiguity,
    by_distribution,
    distribution,
    entry_points,
    install,
    installed,
    loaded,
    provider,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "StoreKind", "check_address", "describe", "open_store", "prefixes", "split_address"]

GROUP: Final = "emailproxy.stores"

FILE: Final = "file"

# Two letters at least: the one in C:\path is a drive.
_ADDRESS: Final = re.compile(r"(?P<prefix>[A-Za-z][A-Za-z0-9+-]+):(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StoreKind:
    """A store that is installed, as far as it says something of itself."""

    prefix: str
    distribution: str
    """Who provides it."""
    forms: tuple[AddressForm, ...]
    """How its addresses look; none if it does not say."""
    extra: str | None
    """The extra of the distribution that it needs, if it says so."""
    missing: tuple[str, ...]
    """The modules that it needs and that are not installed."""
    problem: str | None
    """Why it cannot be used, whatever is installed besides."""

    @property
    def usable(self) -> bool:
        """Whether an address with this prefix can be opened."""
        return not self.missing and self.problem is None

    @property
    def remedy(self) -> str | None:
        """The command that installs what is missing; None if nothing is, or nobody knows."""
        return install(self.distribution, self.extra) if self.missing and self.extra else None


def describe() -> tuple[StoreKind, ...]:
    """All stores that are installed, sorted by prefix; one that cannot be used, too, and what it lacks.

    Loads the modules that the entry points name, and looks for what they need without importing it.
    """
    groups: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(GROUP):
        groups.setdefault(entry.name, []).append(entry)
    kinds = []
    for prefix, entries in sorted(groups.items()):
        providers = by_distribution(entries)
        problem = ambiguity(prefix, providers) if len(providers) > 1 else None
        kinds += [_kind(entry, problem) for _, entry in sorted(providers.items())]
    return tuple(kinds)


def prefixes() -> tuple[str, ...]:
    """The installed prefixes, sorted. Nothing is imported for that."""
    return installed(GROUP)


def split_address(address: str) -> tuple[str, str]:
    """Prefix (in lower case) and the rest; a bare path has the prefix ``file``."""
    match = _ADDRESS.fullmatch(address)
    return (match["prefix"].lower(), match["rest"]) if match else (FILE, address)


def open_store(address: str) -> CacheStore:
    r"""Open the store that `address` names: ``PREFIX:…``, or a file's path (``C:\path`` is one).

    Blocks: it may import an SDK.

    Raises:
        StoreAddressError: nobody provides the prefix, or two do; the provider does not load (the message says what to
            install); or the provider finds the rest malformed.
    """
    entry, rest = _provider(address)
    extra = entry.name
    try:
        # The SDK may be missing where the module is loaded, or where the factory imports it.
        factory = _load(entry)
        extra = about_of(factory).extra or extra
        return factory(rest)
    except ImportError as error:
        raise _missing(entry, error, extra) from error


def check_address(address: str) -> None:
    """What `open_store` would complain of, as far as it can be told without importing an SDK.

    Raises:
        StoreAddressError: as `open_store`.
    """
    entry, rest = _provider(address)
    extra = entry.name
    try:
        declared = about_of(_load(entry))
        extra = declared.extra or extra
        if declared.parse is not None:
            declared.parse(rest)
    except ImportError as error:
        raise _missing(entry, error, extra) from error
    if not all(_is_importable(module) for module in declared.needs):
        open_store(address).close()  # some of it may be for other addresses than this one


def _provider(address: str) -> tuple[EntryPoint, str]:
    prefix, rest = split_address(address)
    known = ", ".join(f"{name}:" for name in prefixes())
    unknown = f"no store has the prefix {prefix}: (installed: {known}); a file of that name is file:{address}"
    return provider(GROUP, prefix, unknown), rest


def _missing(entry: EntryPoint, error: ImportError, extra: str) -> StoreAddressError:
    return StoreAddressError(
        f"the store {entry.name}: cannot be loaded ({error}); {install(distribution(entry), extra)}"
    )


def _kind(entry: EntryPoint, problem: str | None) -> StoreKind:
    provided_by = distribution(entry)
    try:
        declared = about_of(_load(entry))
    except StoreAddressError as error:
        return StoreKind(entry.name, provided_by, (), None, (), problem or str(error))
    except ImportError as error:
        told = f"the store {entry.name}: cannot be loaded ({error}); {install(provided_by, entry.name)}"
        return StoreKind(entry.name, provided_by, (), None, (), problem or told)
    missing = tuple(module for module in declared.needs if not _is_importable(module))
    return StoreKind(entry.name, provided_by, declared.forms, declared.extra, missing, problem)


def _is_importable(module: str) -> bool:
    try:
        # Of a dotted name this imports the packages above the last part: for the SDKs, namespaces without code.
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _load(entry: EntryPoint) -> StoreFactory:
    return cast("StoreFactory", loaded(entry, "the store"))
