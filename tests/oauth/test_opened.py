from __future__ import annotations

from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.opened import AccessToken, open_stored
from emailproxy.oauth.passwords import PasswordDigest
from emailproxy.oauth.sealing import derive_key
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored, Version

from .support import EPOCH, FEW, PASSWORD, SALT, sealed_record

DIGEST = PasswordDigest(b"d")
KEY = derive_key(PASSWORD, SALT, FEW.current)


def test_open_and_seal_are_inverse() -> None:
    record = sealed_record(expires_in=100, client_secret_encrypted=KEY.seal(Secret("cs")))
    opened = open_stored("ada", Stored(record, Version("v")), DIGEST, KEY)
    again = open_stored("ada", Stored(opened.sealed(now=EPOCH, client_secret=None), Version("v")), DIGEST, KEY)
    assert (again.access, again.refresh, again.client_secret) == (opened.access, opened.refresh, opened.client_secret)
    assert opened.access == AccessToken(Secret("old-access"), EPOCH + 100)
    assert again.base.last_activity == EPOCH


def test_what_does_not_open_is_carried_over_if_it_is_the_client_secret() -> None:
    record = sealed_record(client_secret_encrypted="sealed otherwise")
    opened = open_stored("ada", Stored(record, Version("v")), DIGEST, KEY)
    assert opened.client_secret is None
    assert opened.sealed(now=EPOCH, client_secret=None).client_secret_encrypted == "sealed otherwise"


def test_a_token_without_expiry_counts_as_expired() -> None:
    record = Record(access_token=KEY.seal(Secret("a")))
    opened = open_stored("ada", Stored(record, Version("v")), DIGEST, KEY)
    assert opened.access == AccessToken(Secret("a"), 0.0)


def test_renewed_keeps_the_refresh_token_and_revives() -> None:
    opened = open_stored("ada", Stored(sealed_record(), Version("v")), DIGEST, KEY)
    renewed = opened.renewed(TokenResponse(Secret("new"), None, 60), EPOCH)
    assert renewed.access == AccessToken(Secret("new"), EPOCH + 60)
    assert renewed.refresh == Secret("old-refresh")
    assert opened.renewed(TokenResponse(Secret("new"), Secret("rt"), 60), EPOCH).refresh == Secret("rt")


def test_nothing_secret_in_a_repr() -> None:
    opened = open_stored("ada", Stored(sealed_record(), Version("v")), DIGEST, KEY)
    assert "old-access" not in repr(opened)
    assert "old-refresh" not in repr(opened)
