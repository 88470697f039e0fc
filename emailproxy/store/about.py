"""What does a kind of store say of itself? Its addresses and what it needs, told without opening or importing anything.

Whoever provides a store may decorate the factory that the entry point names::

    @about(("vault:PATH", "one secret for each account below PATH"), extra="vault", needs=("hvac",))
    def open_store(address: str) -> VaultStore: ...

The factory's module is loaded to read this, so it leaves the import of the SDK to the factory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

__all__ = ["About", "AddressForm", "about", "about_of"]

_ATTRIBUTE: Final = "about"

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class AddressForm:
    """One way to write an address."""

    form: str
    """With the prefix; what the person fills in stands in capitals: ``vault:PATH``."""
    meaning: str
    """One line."""


@dataclass(frozen=True, slots=True)
class About:
    """What was declared."""

    forms: tuple[AddressForm, ...] = ()
    extra: str | None = None
    """The extra of the distribution that brings what `needs` names; None: it needs nothing more."""
    needs: tuple[str, ...] = ()
    """Modules that the factory imports, by their full names."""
    parse: Callable[[str], object] | None = None
    """Raises StoreAddressError if what stands behind the prefix is malformed; None: only the factory knows."""


def about(
    *forms: tuple[str, str],
    extra: str | None = None,
    needs: tuple[str, ...] = (),
    parse: Callable[[str], object] | None = None,
) -> Callable[[F], F]:
    """Declare what `About` says; `forms` are pairs of `AddressForm.form` and `AddressForm.meaning`."""

    def declare(factory: F) -> F:
        setattr(factory, _ATTRIBUTE, About(tuple(AddressForm(*form) for form in forms), extra, needs, parse))
        return factory

    return declare


def about_of(factory: object) -> About:
    """What the factory declares; nothing, if it declares nothing."""
    declared = getattr(factory, _ATTRIBUTE, None)
    return declared if isinstance(declared, About) else About()
