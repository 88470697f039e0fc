"""Which accounts are alike but for their names? What was found out about one then holds for all of them.

A company's accounts have the same options, or a template's, so checking each by itself would say the same thing a
hundred thousand times. Only what was found to be without fault or warning is taken over: a message names its account.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from emailproxy.config.model import Account
from emailproxy.config.syntax import Section
from emailproxy.references.base import Reference
from emailproxy.store.base import CACHED_OPTIONS

__all__ = ["Alike"]

# As many as people write; where all accounts differ, nothing is gained by keeping what they were.
MAX_KINDS: Final = 1024
_CACHED: Final = frozenset(CACHED_OPTIONS)


class Alike:
    """Accounts of one configuration, by all that they are made of.

    Args:
        catch_all: whether templates count, so that the domain of an account's name does.
    """

    def __init__(self, *, catch_all: bool) -> None:
        self._catch_all = catch_all
        self._known: dict[Hashable, Account] = {}

    def kind(self, section: Section) -> Hashable | None:
        """What an account is made of, but for its name; None if that cannot be told, or if it is none."""
        options = section.options
        name = section.name
        if name.startswith("@") or not all(isinstance(each, Reference) for each in section.referred.values()):
            return None
        # A provider's tenant may be the domain.
        domain = name.rpartition("@")[2] if self._catch_all or "provider" in options else ""
        said = tuple([pair for pair in options.items() if pair[0] not in _CACHED])
        return domain, said, section.own, tuple(section.referred.items())

    def account(self, kind: Hashable | None, name: str) -> Account | None:
        """The account of the section `name`, if there was one of its kind."""
        known = self._known.get(kind) if kind is not None else None
        return known.alike(name) if known is not None else None

    def remember(self, kind: Hashable | None, account: Account) -> None:
        """Without a word about it, `account` was made of what `kind` says."""
        if kind is not None and len(self._known) < MAX_KINDS:
            self._known[kind] = account
