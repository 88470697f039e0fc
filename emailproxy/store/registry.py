"""Which store does an address mean? The prefix names an entry point of the group ``emailproxy.stores``.

The built-in stores come in through the same door as a stranger's, and an SDK is imported only when its prefix is used.
"""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from emailproxy.store.base import CacheStore, StoreAddressError, StoreFactory

__all__ = ["GROUP", "open_store", "prefixes", "split_address"]

GROUP: Final = "emailproxy.stores"

FILE: Final = "file"

# Two letters at least: the one in C:\path is a drive.
_ADDRESS: Final = re.compile(r"(?P<prefix>[A-Za-z][A-Za-z0-9+-]+):(?P<rest>.*)", re.DOTALL)


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
    providers = {(_distribution(entry), entry.value): entry for entry in entry_points(group=GROUP, name=prefix)}
    if not providers:
        raise StoreAddressError(
            f"no store has the prefix {prefix}: (installed: {', '.join(f'{known}:' for known in prefixes())}); "
            f"a file of that name is file:{address}"
        )
    if len(providers) > 1:
        names = " and ".join(sorted(f"{distribution} ({value})" for distribution, value in providers))
        raise StoreAddressError(f"the prefix {prefix}: is provided by {names}; uninstall all but one")
    (entry,) = providers.values()
    try:
        # The SDK may be missing where the module is loaded, or where the factory imports it.
        return _load(entry)(rest)
    except ImportError as error:
        distribution = _distribution(entry)
        raise StoreAddressError(
            f"the store {entry.name}: cannot be loaded ({error}); pip install '{distribution}[{entry.name}]'"
        ) from error


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
