"""Where do the first records of a new store come from? From the configuration file, which may hold tokens already.

Who moves the tokens elsewhere with ``--cache-store`` should not have to authorise every account again. Until the store
has a record of its own for an account, the one in the configuration file counts; whatever is saved goes to the store,
and the configuration file is never written. The classic proxy does the same.
"""

from __future__ import annotations

from typing import Final

from emailproxy.store.base import CacheStore, Record, Stored, StoreError, Version

__all__ = ["SeededStore"]

_SEED: Final = "\0seed:"
"""Begins the version of a record that the store itself does not have yet."""


class SeededStore:
    """A `CacheStore` in front of `store`, whose gaps are filled from `seed`. Owns and closes both."""

    def __init__(self, store: CacheStore, seed: CacheStore) -> None:
        self._store = store
        self._seed = seed

    def __repr__(self) -> str:
        return f"<SeededStore {self.address}>"

    @property
    def address(self) -> str:
        """The store's, since that is what is written."""
        return self._store.address

    @property
    def bills_writes(self) -> bool:
        """As the store: the seed is never written."""
        return bool(getattr(self._store, "bills_writes", False))

    def load(self, account: str) -> Stored | None:
        """The account's record, from the store or else from the seed.

        Raises:
            StoreError: one of the two could not tell.
        """
        stored = self._store.load(account)
        if stored is not None:
            return stored
        seed = self._seed.load(account)
        return Stored(seed.record, Version(_SEED + seed.version)) if seed is not None else None

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        """Replace the account's record in the store; see `CacheStore.save`."""
        if expected is not None and expected.startswith(_SEED):
            expected = None  # what was read was not the store's: there, the record must still be absent
        return self._store.save(account, record, expected)

    def delete(self, account: str) -> bool:
        """Remove the account's record from the store, unless the seed has one.

        That one would count again, and is older: its refresh token may be dead, and with some providers to use it once
        more ends the whole grant. Nobody who asks for a deletion wants that, so it is refused until the person has
        removed the seed's record, which is not ours to write.

        Raises:
            StoreError: the seed has a record, and nothing was deleted; or as `CacheStore.delete`.
        """
        if self._seed.load(account) is not None:
            raise StoreError(
                f"{self.address}: not deleted, because the record of {account} in {self._seed.address} would count"
                " again; delete that one first"
            )
        return self._store.delete(account)

    def accounts(self) -> list[str]:
        """The names of the accounts that have a record in either.

        Raises:
            StoreError: one of the two could not tell.
        """
        return sorted({*self._store.accounts(), *self._seed.accounts()})

    def close(self) -> None:
        """Close both, even if closing the first fails."""
        try:
            self._store.close()
        finally:
            self._seed.close()
