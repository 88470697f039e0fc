"""How does a person change a managed account? Records in, records out; nothing here reads or writes a store.

Every function that derives a key or a hash blocks for some tenths of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from emailproxy.config.model import Account, MailProtocol, Settings
from emailproxy.failures import ProxyError
from emailproxy.oauth.app_passwords import (
    ID_LENGTH,
    MAX_NAME,
    MAX_PASSWORDS,
    AppPassword,
    AppPasswords,
    new_password,
)
from emailproxy.oauth.flows.registry import FLOWS
from emailproxy.oauth.hashing import hashed
from emailproxy.oauth.managed import opened_list
from emailproxy.oauth.opened import Opened, RecordKey, open_stored
from emailproxy.oauth.passwords import PasswordDigest
from emailproxy.oauth.sealing import Iterations, check_value, derive_key, new_salt, parse_salt
from emailproxy.oauth.servicekey import AccountKey, current_key, key_of
from emailproxy.protocols.proofs import ScramVerifier, scram_salt
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored, Version

__all__ = [
    "MAIL_PASSWORD",
    "MECHANISMS",
    "ManagingError",
    "Terms",
    "add_password",
    "check_can_be_managed",
    "is_managed",
    "is_sealed_by_mail_password",
    "list_passwords",
    "resealed",
    "revoke_password",
    "to_compatible",
    "to_managed",
]

MAIL_PASSWORD = "mail password"  # noqa: S105 - a name
"""What the password is called that the account had before it was managed."""

MECHANISMS = ("SCRAM-SHA-256", "CRAM-MD5")
"""What a password can be kept for, besides being sent."""

NOBODY = PasswordDigest(b"")


class ManagingError(ProxyError):
    """It cannot be done; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a new app password is good for."""

    name: str
    expires: int | None = None
    """Unix time, seconds."""
    networks: Sequence[str] = ()
    protocols: Sequence[MailProtocol] = ()
    mechanisms: Sequence[str] = ()
    """Of `MECHANISMS`, those by which it can be proven without being sent."""


def is_managed(record: Record | None) -> bool:
    """Whether app passwords let in."""
    return record is not None and record.sealed_by is not None


def is_sealed_by_mail_password(record: Record | None) -> bool:
    """Whether the record holds something that only the mail password opens."""
    return record is not None and record.sealed_by is None and check_value(record) is not None


def check_can_be_managed(account: Account) -> None:
    """Refuse accounts whose mail password has another use than to let in.

    Raises:
        ManagingError: it has.
    """
    flow = FLOWS.get(account.oauth2_flow)
    if flow is not None and flow.provider_checks_password:
        raise ManagingError(
            f"the flow {account.oauth2_flow} sends the mail password to the provider, so {account.name} cannot have "
            "app passwords; choose a flow with a person, or client_credentials"
        )
    if account.inherited_secret is not None and account.client_secret is None:
        raise ManagingError(
            f"{account.name} has its client secret from a catch-all section, where a mail password seals it; write "
            "client_secret, or better a reference to it, into the configuration"
        )


def list_passwords(settings: Settings, account: str, record: Record) -> AppPasswords:
    """The app passwords of a managed account.

    Raises:
        NoSealKeyError: the service key is not at hand.
        ValueError: the list is damaged.
    """
    return opened_list(key_of(settings, account, record.sealed_by or ""), record)


def add_password(
    settings: Settings, account: Account, record: Record | None, terms: Terms, now: float
) -> tuple[Record, Secret, AppPassword]:
    """The record with one more app password; that password, which nothing else has; and what is kept of it.

    Raises:
        ManagingError: the account has a mail password, or too many app passwords, or one of this name.
        NoSealKeyError, ValueError: as `list_passwords`.
    """
    check_can_be_managed(account)
    if is_sealed_by_mail_password(record):
        raise ManagingError(
            f"{account.name} has a mail password, which seals its tokens; emailproxy passwords migrate {account.name} "
            "makes app passwords possible, and the mail password one of them"
        )
    if record is None or not is_managed(record):
        record = current_key(settings, account.name).stamped(record or Record())
    entries = list_passwords(settings, account.name, record)
    if len(entries.entries) >= MAX_PASSWORDS:
        raise ManagingError(f"{account.name} has {MAX_PASSWORDS} app passwords, which is all there can be; revoke one")
    if any(entry.name == terms.name for entry in entries.entries):
        raise ManagingError(f"{account.name} has an app password {terms.name!r} already; choose another name")
    if not terms.name or len(terms.name) > MAX_NAME or not terms.name.isprintable():
        raise ManagingError(f"a name has 1 to {MAX_NAME} printable characters")
    password = new_password(entries)
    entry = AppPassword(
        id=password.reveal()[:ID_LENGTH],
        name=terms.name,
        hash=hashed(password),
        created=int(now),
        expires=terms.expires,
        networks=tuple(terms.networks),
        protocols=tuple(protocol.value for protocol in terms.protocols),
        scram=ScramVerifier.of(password, scram_salt(account.name)) if "SCRAM-SHA-256" in terms.mechanisms else None,
        plain=password if "CRAM-MD5" in terms.mechanisms else None,
    )
    return _with_list(settings, account.name, record, entries.with_(entry)), password, entry


def revoke_password(settings: Settings, account: str, record: Record, name: str) -> tuple[Record, AppPassword, int]:
    """The record without the app password of this identifier or name; what it was; and how many are left.

    Raises:
        ManagingError: there is none.
        NoSealKeyError, ValueError: as `list_passwords`.
    """
    entries = list_passwords(settings, account, record)
    entry = entries.find(name)
    if entry is None:
        raise ManagingError(f"{account} has no app password {name!r}; emailproxy passwords list {account} shows them")
    rest = entries.without(entry)
    return _with_list(settings, account, record, rest), entry, len(rest.entries)


def to_managed(
    settings: Settings, account: Account, record: Record, password: Secret, now: float, iterations: Iterations | None
) -> Record:
    """The record of a compatible account as that of a managed one, whose app password the mail password becomes.

    Raises:
        ManagingError: the password does not open the record.
        NoSealKeyError: there is no service key.
    """
    check_can_be_managed(account)
    key = current_key(settings, account.name)
    rounds = iterations or Iterations()
    salt, sealed = parse_salt(record.token_salt), check_value(record)
    if salt is None or sealed is None:
        raise ManagingError(f"{account.name} has nothing that a mail password seals; emailproxy passwords add does it")
    for number in rounds.candidates(record.token_iterations):
        old = derive_key(password, salt, number)
        if old.open(sealed) is not None:
            break
    else:
        raise ManagingError(f"that is not the mail password of {account.name}; nothing was changed")
    opened = _opened(account.name, record, old)
    entry = AppPassword(id="", name=MAIL_PASSWORD, hash=hashed(password), created=int(now))
    return _sealed(replace(opened, passwords=AppPasswords((entry,))), key)


def to_compatible(
    settings: Settings, account: str, record: Record, password: Secret, iterations: Iterations | None
) -> Record:
    """The record of a managed account as that of a compatible one, whose tokens `password` seals.

    Its app passwords are gone with that.

    Raises:
        ManagingError: it holds nothing to seal; the password would be any.
        NoSealKeyError: the service key is not at hand.
    """
    opened = _opened(account, record, key_of(settings, account, record.sealed_by or ""))
    if check_value(record) is None:
        raise ManagingError(f"{account} has no tokens yet, so a mail password would seal nothing; delete its record")
    rounds = iterations or Iterations()
    key = derive_key(password, new_salt(), rounds.current)
    return _sealed(replace(opened, passwords=AppPasswords(), used=None, lease=None), key)


def resealed(settings: Settings, account: str, record: Record) -> Record | None:
    """A managed account's record under the current service key; None if it is already.

    Raises:
        ManagingError: it does not open whole.
        NoSealKeyError, ValueError: as `list_passwords`.
    """
    key = current_key(settings, account)
    if record.sealed_by in (None, key.identifier):
        return None
    old = key_of(settings, account, record.sealed_by or "")
    return _sealed(replace(_opened(account, record, old), passwords=opened_list(old, record)), key)


def _opened(account: str, record: Record, key: RecordKey) -> Opened:
    """The record, opened whole: what does not open would be lost."""
    opened = open_stored(account, Stored(record, Version("")), NOBODY, key)
    values = {
        "access_token": opened.access,
        "refresh_token": opened.refresh,
        "client_secret_encrypted": opened.client_secret,
    }
    broken = [name for name, value in values.items() if value is None and getattr(record, name) is not None]
    if broken:
        raise ManagingError(
            f"{' and '.join(broken)} of {account} cannot be opened with the others; nothing was changed"
        )
    return opened


def _sealed(opened: Opened, key: RecordKey) -> Record:
    """Everything under `key`; the time of the last login stays what it was."""
    sealed = replace(opened, key=key).sealed(now=0, client_secret=None)
    return replace(sealed, last_activity=opened.base.last_activity)


def _with_list(settings: Settings, account: str, record: Record, entries: AppPasswords) -> Record:
    """The record with these app passwords, sealed by the key that seals the rest."""
    key: AccountKey = key_of(settings, account, record.sealed_by or "")
    return replace(record, app_passwords=key.seal(entries.text) if entries.entries else None)
