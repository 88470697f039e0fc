"""Records in, records out: what a person may do to a managed account, and what must not happen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emailproxy.config.model import MailProtocol, SealedSecret, Settings
from emailproxy.oauth.app_passwords import MAX_PASSWORDS, AppPasswords
from emailproxy.oauth.hashing import verify
from emailproxy.oauth.managing import (
    MAIL_PASSWORD,
    ManagingError,
    Terms,
    add_password,
    is_managed,
    list_passwords,
    resealed,
    revoke_password,
    to_compatible,
    to_managed,
)
from emailproxy.oauth.servicekey import NoSealKeyError, account_key
from emailproxy.secret import Secret
from emailproxy.store.base import Record

from .managing_support import KEY, MANAGED, OTHER_KEY, PHONE, ROTATED, entry, managed_record, opened
from .support import ACCOUNT, EPOCH, FEW, PASSWORD, WRONG, sealed_record, unattended, unseal


def test_the_first_app_password_makes_an_account_managed() -> None:
    terms = Terms("scanner", EPOCH + 5, ["10.0.0.0/8"], [MailProtocol.SMTP])
    record, password, made = add_password(MANAGED, ACCOUNT, None, terms, EPOCH)
    assert is_managed(record)
    [kept] = list_passwords(MANAGED, ACCOUNT.name, record).entries
    assert kept == made
    assert verify(kept.hash, password)
    assert password.reveal().startswith(kept.id)
    assert (kept.protocols, kept.networks, kept.expires, kept.created) == (
        ("SMTP",),
        ("10.0.0.0/8",),
        EPOCH + 5,
        EPOCH,
    )
    assert password.reveal() not in str(record)
    assert kept.hash not in str(record), "not even the hash is in the clear"


def test_another_one_leaves_the_tokens_alone() -> None:
    before = managed_record()
    record, _, _ = add_password(MANAGED, ACCOUNT, before, Terms("tablet"), EPOCH)
    assert replace(record, app_passwords=before.app_passwords) == before
    assert [one.name for one in list_passwords(MANAGED, ACCOUNT.name, record).entries] == ["phone", "printer", "tablet"]


@pytest.mark.parametrize(
    ("account", "record", "name", "words"),
    [
        (ACCOUNT, sealed_record(), "x", "passwords migrate"),
        (ACCOUNT, managed_record(), "phone", "already"),
        (ACCOUNT, None, "", "printable"),
        (ACCOUNT, None, "a\nb", "printable"),
        (ACCOUNT, managed_record(*[entry(PHONE, str(n)) for n in range(MAX_PASSWORDS)]), "x", "revoke one"),
        (unattended("password"), None, "x", "sends the mail password to the provider"),
        (replace(ACCOUNT, client_secret=None, inherited_secret=SealedSecret("v", "s", 1)), None, "x", "catch-all"),
    ],
)
def test_what_cannot_have_an_app_password(account: object, record: Record | None, name: str, words: str) -> None:
    with pytest.raises(ManagingError, match=words):
        add_password(MANAGED, account, record, Terms(name), EPOCH)  # type: ignore[arg-type]


def test_without_a_service_key_there_are_none() -> None:
    with pytest.raises(NoSealKeyError, match="seal init"):
        add_password(Settings(), ACCOUNT, None, Terms("x"), EPOCH)


def test_revoking_until_nothing_is_left() -> None:
    record, gone, left = revoke_password(MANAGED, ACCOUNT.name, managed_record(), "printer")
    assert (gone.name, left) == ("printer", 1)
    record, gone, left = revoke_password(MANAGED, ACCOUNT.name, record, "abc")
    assert (gone.name, left) == ("phone", 0)
    assert is_managed(record), "or the next mail password that comes would be taken"
    assert list_passwords(MANAGED, ACCOUNT.name, record) == AppPasswords()
    with pytest.raises(ManagingError, match="no app password 'abc'"):
        revoke_password(MANAGED, ACCOUNT.name, record, "abc")


def test_there_and_back_without_losing_a_token() -> None:
    key = sealed_record(access="the-secret").access_token
    before = sealed_record(client_secret_encrypted=key, last_activity=7, refresh_token_issued=5)
    managed = to_managed(MANAGED, ACCOUNT, before, PASSWORD, EPOCH, FEW)
    assert is_managed(managed)
    assert (managed.token_salt, managed.token_iterations) == (None, None)
    assert opened(managed, "refresh_token") == "old-refresh"
    assert opened(managed, "access_token") == "old-access"
    assert opened(managed, "client_secret_encrypted") == "the-secret"
    assert (managed.last_activity, managed.refresh_token_issued) == (7, 5)
    [kept] = list_passwords(MANAGED, ACCOUNT.name, managed).entries
    assert kept.name == MAIL_PASSWORD
    assert verify(kept.hash, PASSWORD)

    new = Secret("a new mail password")
    back = to_compatible(MANAGED, ACCOUNT.name, managed, new, FEW)
    assert not is_managed(back)
    assert (back.app_passwords, back.app_passwords_used) == (None, None)
    assert unseal(back, "refresh_token", new) == "old-refresh"
    assert unseal(back, "client_secret_encrypted", new) == "the-secret"
    assert unseal(back, "refresh_token", PASSWORD) is None
    assert (back.last_activity, back.refresh_token_issued) == (7, 5)


def test_old_iterations_are_migrated_too() -> None:
    managed = to_managed(MANAGED, ACCOUNT, sealed_record(iterations=FEW.legacy), PASSWORD, EPOCH, FEW)
    assert opened(managed, "refresh_token") == "old-refresh"


def test_what_would_lose_something_is_refused() -> None:
    with pytest.raises(ManagingError, match="not the mail password"):
        to_managed(MANAGED, ACCOUNT, sealed_record(), WRONG, EPOCH, FEW)
    foreign_secret = sealed_record(password=WRONG).access_token
    with pytest.raises(ManagingError, match="client_secret_encrypted"):
        to_managed(MANAGED, ACCOUNT, sealed_record(client_secret_encrypted=foreign_secret), PASSWORD, EPOCH, FEW)
    with pytest.raises(ManagingError, match="nothing that a mail password seals"):
        to_managed(MANAGED, ACCOUNT, Record(), PASSWORD, EPOCH, FEW)
    with pytest.raises(ManagingError, match="no tokens yet"):
        to_compatible(MANAGED, ACCOUNT.name, managed_record(access=None, refresh=None), PASSWORD, FEW)
    broken = replace(managed_record(), refresh_token=account_key(OTHER_KEY, ACCOUNT.name).seal(Secret("r")))
    with pytest.raises(ManagingError, match="refresh_token"):
        resealed(ROTATED, ACCOUNT.name, broken)


def test_a_rotation_moves_everything() -> None:
    before = managed_record(app_passwords_used='{"abc":5}')
    after = resealed(ROTATED, ACCOUNT.name, before)
    assert after is not None
    assert after.sealed_by == OTHER_KEY.identifier
    assert after.app_passwords_used == '{"abc":5}'
    for name in ("access_token", "refresh_token", "app_passwords"):
        assert opened(after, name, OTHER_KEY) == opened(before, name, KEY)
    assert resealed(ROTATED, ACCOUNT.name, after) is None
    assert resealed(ROTATED, ACCOUNT.name, sealed_record()) is None, "not ours to seal"
