"""Who provides a prefix? Entry points, looked up by group and name; everything that can be wrong with one is said here.

Shared by the stores (`emailproxy.store.registry`) and by what configuration values refer to (`emailproxy.references`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emailproxy.store.base import StoreAddressError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

__all__ = [
    "ambiguity",
    "by_distribution",
    "distribution",
    "entry_points",
    "install",
    "installed",
    "loaded",
    "loading",
    "provider",
]


def entry_points(group: str) -> EntryPoints:
    """All of the group. What finds them is loaded now: most configurations are read without."""
    from importlib import metadata

    return metadata.entry_points(group=group)


def installed(group: str) -> tuple[str, ...]:
    """The prefixes of the group that somebody provides, sorted. Nothing is imported for that."""
    return tuple(sorted({entry.name for entry in entry_points(group)}))


def by_distribution(entries: Iterable[EntryPoint]) -> dict[tuple[str, str], EntryPoint]:
    """The entry points by distribution and value; a distribution that is found twice on the path is one."""
    return {(distribution(entry), entry.value): entry for entry in entries}


def provider(group: str, prefix: str, unknown: str) -> EntryPoint:
    """The entry point of the prefix. Nothing is imported yet.

    Raises:
        StoreAddressError: nobody provides it (the message is `unknown`), or two do.
    """
    found = by_distribution(entry_points(group).select(name=prefix))
    if not found:
        raise StoreAddressError(unknown)
    if len(found) > 1:
        raise StoreAddressError(ambiguity(prefix, found))
    (entry,) = found.values()
    return entry


def loaded(entry: EntryPoint, what: str) -> object:
    """What the entry point names. Call it inside `loading`, or see to the ImportError.

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


@contextmanager
def loading(entry: EntryPoint, what: str, extra: str | None = None) -> Iterator[None]:
    """Say what to install for an ImportError inside. An SDK may be missing where the module is loaded or where used.

    The extra is called like the entry point if `extra` is None.
    """
    try:
        yield
    except ImportError as error:
        raise StoreAddressError(
            f"{what} {entry.name}: cannot be loaded ({error}); {install(distribution(entry), extra or entry.name)}"
        ) from error


def ambiguity(prefix: str, providers: Iterable[tuple[str, str]]) -> str:
    """What is wrong, and what to do, where several provide a prefix."""
    names = " and ".join(sorted(f"{name} ({value})" for name, value in providers))
    return f"the prefix {prefix}: is provided by {names}; uninstall all but one"


def install(name: str, extra: str) -> str:
    """The command that installs an extra of a distribution."""
    return f"pip install '{name}[{extra}]'"


def distribution(entry: EntryPoint) -> str:
    """The name of what was installed to bring the entry point."""
    return entry.dist.name if entry.dist is not None else "an unknown distribution"
