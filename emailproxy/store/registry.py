"""Which store does an address mean? The prefix names an entry point of the group ``emailproxy.stores``.

The built-in stores come in through the same door as a stranger's, and an SDK is imported only when its prefix is used.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from emailproxy.store.about import AddressForm, about_of
from emailproxy.store.base import CacheStore, StoreAddressError, StoreFactory

__all__ = ["GROUP", "StoreKind", "describe", "open_store", "prefixes", "split_address"]

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
        return _install(self.distribution, self.extra) if self.missing and self.extra else None


def describe() -> tuple[StoreKind, ...]:
    """All stores that are installed, sorted by prefix; one that cannot be used, too, and what it lacks.

    Loads the modules that the entry points name, and looks for what they need without importing it.
    """
    groups: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        groups.setdefault(entry.name, []).append(entry)
    kinds = []
    for prefix, entries in sorted(groups.items()):
        providers = _providers(entries)
        problem = _ambiguity(prefix, providers) if len(providers) > 1 else None
        kinds += [_kind(entry, problem) for _, entry in sorted(providers.items())]
    return tuple(kinds)


def prefixes() -> tuple[str, ...]:
    """The installed prefixes, sorted. Nothing is imported for that."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


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
    prefix, rest = split_address(address)
    providers = _providers(entry_points(group=GROUP, name=prefix))
    if not providers:
        raise StoreAddressError(
            f"no store has the prefix {prefix}: (installed: {', '.join(f'{known}:' for known in prefixes())}); "
            f"a file of that name is file:{address}"
        )
    if len(providers) > 1:
        raise StoreAddressError(_ambiguity(prefix, providers))
    (entry,) = providers.values()
    extra = entry.name
    try:
        # The SDK may be missing where the module is loaded, or where the factory imports it.
        factory = _load(entry)
        extra = about_of(factory).extra or extra
        return factory(rest)
    except ImportError as error:
        raise StoreAddressError(
            f"the store {entry.name}: cannot be loaded ({error}); {_install(_distribution(entry), extra)}"
        ) from error


def _providers(entries: Iterable[EntryPoint]) -> dict[tuple[str, str], EntryPoint]:
    # A distribution that is found twice on the path is one.
    return {(_distribution(entry), entry.value): entry for entry in entries}


def _ambiguity(prefix: str, providers: Iterable[tuple[str, str]]) -> str:
    names = " and ".join(sorted(f"{distribution} ({value})" for distribution, value in providers))
    return f"the prefix {prefix}: is provided by {names}; uninstall all but one"


def _install(distribution: str, extra: str) -> str:
    return f"pip install '{distribution}[{extra}]'"


def _kind(entry: EntryPoint, problem: str | None) -> StoreKind:
    distribution = _distribution(entry)
    try:
        declared = about_of(_load(entry))
    except StoreAddressError as error:
        return StoreKind(entry.name, distribution, (), None, (), problem or str(error))
    except ImportError as error:
        told = f"the store {entry.name}: cannot be loaded ({error}); {_install(distribution, entry.name)}"
        return StoreKind(entry.name, distribution, (), None, (), problem or told)
    missing = tuple(module for module in declared.needs if not _is_importable(module))
    return StoreKind(entry.name, distribution, declared.forms, declared.extra, missing, problem)


def _is_importable(module: str) -> bool:
    try:
        # Of a dotted name this imports the packages above the last part: for the SDKs, namespaces without code.
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _load(entry: EntryPoint) -> StoreFactory:
    try:
        factory: StoreFactory = entry.load()
    except AttributeError as error:
        raise StoreAddressError(
            f"the store {entry.name}: cannot be loaded ({error}); update {_distribution(entry)}"
        ) from error
    return factory


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown distribution"
