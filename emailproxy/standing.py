"""How do the accounts stand? Which work, which wait for a person, which were never used.

Told from what is stored, which nobody needs a password for, and from what a running proxy says in its status file:
that a provider has refused a refresh token is in no record.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from emailproxy.config import Account, Config
from emailproxy.config.flows import INTERACTIVE
from emailproxy.status import WaitingAccount
from emailproxy.store.base import Record
from emailproxy.store.overview import Entry

__all__ = ["Standing", "State", "account_names", "standing"]


class State(enum.Enum):
    """What can be said of an account, by the word that programs read."""

    OK = "ok"
    NEEDS_CONSENT = "needs_consent"
    """A person must sign in."""
    NEVER_USED = "never_used"
    UNKNOWN = "unknown"
    """What is stored cannot be read."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one account stands."""

    account: str
    state: State
    flow: str
    why: str = ""
    """A clause for people, behind the state."""
    until: int | None = None
    """Unix time at which a person will be needed, where that is known."""
    last_use: int | None = None
    """Unix time."""
    where: str = ""
    """The address of the store that has the record."""
    managed: bool = False
    """It has app passwords."""
    token_ends: int | None = None
    """Unix time at which the stored access token ends."""


def account_names(config: Config, stored: Iterable[str]) -> list[str]:
    """The accounts of `config`, and those in the store that a catch-all template completes."""
    caught = (name for name in stored if name not in config.accounts and "@" in name.lstrip("@"))
    return sorted({*config.accounts, *(name for name in caught if config.account(name) is not None)})


def standing(account: Account, entry: Entry, waiting: WaitingAccount | None, now: float) -> Standing:
    """How `account` stands.

    Args:
        account: as configured.
        entry: what is stored.
        waiting: what the running proxy says, if it knows that a person is needed.
        now: Unix time.
    """
    record = entry.stored.record if entry.stored is not None else None
    state, why, until = _state(account, entry, record, waiting, now)
    return Standing(
        account=account.name,
        state=state,
        flow=account.oauth2_flow,
        why=why,
        until=until,
        last_use=record.last_activity if record is not None else None,
        where=entry.where,
        managed=record is not None and record.sealed_by is not None,
        token_ends=record.access_token_expiry if record is not None and record.access_token else None,
    )


def _state(
    account: Account, entry: Entry, record: Record | None, waiting: WaitingAccount | None, now: float
) -> tuple[State, str, int | None]:
    if entry.failure is not None:
        return State.UNKNOWN, str(entry.failure), None
    if waiting is not None:
        return State.NEEDS_CONSENT, waiting.reason, None
    if record is None or not (record.access_token or record.refresh_token):
        return State.NEVER_USED, "", None
    if account.oauth2_flow not in INTERACTIVE:
        return State.OK, "needs no person", None
    if record.refresh_token:
        return State.OK, "until the provider ends the consent", None
    expiry = record.access_token_expiry or 0
    if expiry > now:
        return State.OK, "then a person is needed, since there is no refresh token", expiry
    return State.NEEDS_CONSENT, "the access token has ended, and there is no refresh token", None
