"""What are the ways to open a record? With the mail password that seals it, or with an app password and our own key.

The record says which: one that bears ``sealed_by`` is managed (`emailproxy.oauth.managed`), all others are compatible
(`emailproxy.oauth.compatible`). The vault chooses, and knows no more of either than this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from emailproxy.addresses import host_of, network_of
from emailproxy.config.model import Account, Server
from emailproxy.oauth.flows.base import Flow
from emailproxy.oauth.opened import Opened, RecordKey
from emailproxy.oauth.passwords import PasswordDigest
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored, Version

__all__ = ["Login", "Opening", "WrongPasswordError"]


@dataclass(frozen=True, slots=True)
class Login:
    """Who wants a token, and with what."""

    account: Account
    flow: Flow
    password: Secret
    digest: PasswordDigest
    client: str
    """Where it comes from."""
    server: Server | None = None
    """The listener that it comes through; None: the proxy itself asks."""
    managed: bool = False
    """An app password of the account was right; `digest` stands for the account then, whichever it was."""
    vouched: bool = False
    """It was let in by other means than a password that was sent: a proof, a certificate, the configuration."""

    @property
    def name(self) -> str:
        """The account's, as the store knows it."""
        return self.account.name

    @property
    def host(self) -> str:
        """The client's address."""
        return host_of(self.client)

    @property
    def network(self) -> str:
        """The client's, which gets a share of what checks cost."""
        return network_of(self.host)

    def admitted(self, opened: Opened | None) -> Login:
        """This login, whose password opened `opened`. All app passwords of an account are one login from here on."""
        if opened is None:
            return self
        return replace(self, digest=opened.digest, managed=opened.base.sealed_by is not None)


class WrongPasswordError(Exception):
    """The password does not open the record, which stays as it is."""

    def __init__(self, record: Record) -> None:
        super().__init__("the password does not open the record")
        self.record = record


class Opening(Protocol):
    """A way to open records.

    Where a password is wrong, a method raises WrongPasswordError, or LoginFailed if there is nothing left to decide.
    """

    def matches(self, login: Login, opened: Opened) -> bool:
        """Whether memory alone knows that this password opens `opened`."""
        ...

    async def check(self, login: Login, opened: Opened) -> None:
        """Whether it opens `opened`, if memory must know without the store. Raises if it does not."""
        ...

    def refuse_again(self, login: Login, opened: Opened) -> None:
        """Raise if the password was wrong for `opened` a short while ago."""
        ...

    async def open(self, login: Login, stored: Stored) -> Opened | None:
        """The record, opened; None if it holds nothing that a password could be held against."""
        ...

    async def sealing(self, login: Login, known: Record, version: Version | None, held: Opened | None) -> Opened:
        """What the tokens of a new grant come into.

        Args:
            login: its password seals them, or has been right.
            known: the record that there is, or an empty one.
            version: the record's.
            held: what is in memory for this login.

        Raises:
            LoginFailed: the record is none that this login may write.
        """
        ...

    async def newest_key(self, login: Login, opened: Opened) -> RecordKey | None:
        """The key that `opened` is to be sealed with anew; None if its own is the newest. May take its time."""
        ...

    def is_outdated(self, opened: Opened) -> bool:
        """Whether there is a newer key than its own."""
        ...

    def noted(self, account: str, opened: Opened) -> Opened:
        """`opened` of `account`, with what memory knows and the next save may take along."""
        ...
