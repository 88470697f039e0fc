"""Who provides a prefix? Entry points, looked up by group and name; everything that can be wrong with one is said here.

Shared by the stores (`emailproxy.store.registry`) and by what configuration values refer to (`emailproxy.references`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points

from emailproxy.store.base import StoreAddressError

__all__ = ["UnknownPrefixError", "distribution", "installed", "load", "loading", "provider"]


class UnknownPrefixError(StoreAddressError):
    """Nobody provides the prefix."""


def installed(group: str) -> tuple[str, ...]:
    """The prefixes of the group that somebody provides, sorted. Nothing is imported for that."""
    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def provider(group: str, prefix: str) -> EntryPoint:
    """The entry point of the prefix. Nothing is imported yet.

    Raises:
        UnknownPrefixError: nobody provides it.
        StoreAddressError: two do.
    """
    found = {(distribution(entry), entry.value): entry for entry in entry_points(group=group, name=prefix)}
    if not found:
        raise UnknownPrefixError(f"nobody provides the prefix {prefix}:")
    if len(found) > 1:
        names = " and ".join(sorted(f"{name} ({value})" for name, value in found))
        raise StoreAddressError(f"the prefix {prefix}: is provided by {names}; uninstall all but one")
    (entry,) = found.values()
    return entry


@contextmanager
def loading(entry: EntryPoint, what: str) -> Iterator[None]:
    """Say what to install for an ImportError inside. An SDK may be missing where the module is loaded or where used."""
    try:
        yield
    except ImportError as error:
        raise StoreAddressError(
            f"{what} {entry.name}: cannot be loaded ({error}); pip install '{distribution(entry)}[{entry.name}]'"
        ) from error


def load(entry: EntryPoint, what: str) -> object:
    """What the entry point names. Call it inside `loading`.

    Raises:
        StoreAddressError: its module has no such thing.
        ImportError: its module cannot be imported.
    """
    try:
        return entry.load()
    except AttributeError as error:
        raise StoreAddressError(
            f"{what} {entry.name}: cannot be loaded ({error}); update {distribution(entry)}"
        ) from error


def distribution(entry: EntryPoint) -> str:
    """The name of what was installed to bring the entry point."""
    return entry.dist.name if entry.dist is not None else "an unknown distribution"
