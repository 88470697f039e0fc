"""Which store does an address mean? The prefix names an entry point of the group ``emailproxy.stores``.

The built-in stores come in through the same door as a stranger's, and an SDK is imported only when its prefix is used.
"""

from __future__ import annotations

import re
from typing import Final, cast

from emailproxy.store.base import CacheStore, StoreAddressError, StoreFactory
from emailproxy.store.providers import UnknownPrefixError, installed, load, loading, provider

__all__ = ["GROUP", "open_store", "prefixes", "split_address"]

GROUP: Final = "emailproxy.stores"

FILE: Final = "file"

# Two letters at least: the one in C:\path is a drive.
_ADDRESS: Final = re.compile(r"(?P<prefix>[A-Za-z][A-Za-z0-9+-]+):(?P<rest>.*)", re.DOTALL)


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
    prefix, rest = split_address(address)
    try:
        entry = provider(GROUP, prefix)
    except UnknownPrefixError:
        raise StoreAddressError(
            f"no store has the prefix {prefix}: (installed: {', '.join(f'{known}:' for known in prefixes())}); "
            f"a file of that name is file:{address}"
        ) from None
    with loading(entry, "the store"):
        factory = cast("StoreFactory", load(entry, "the store"))
        return factory(rest)
