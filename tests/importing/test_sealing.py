"""An imported token is sealed like one of a consent, and what is sealed beside it is not lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emailproxy.config.model import SealedSecret
from emailproxy.importing.sealing import PasswordMismatchError, is_in_use, sealed_record
from emailproxy.oauth.sealing import derive_key
from emailproxy.secret import Secret
from emailproxy.store.base import Record
from tests.oauth.support import ACCOUNT, FEW, PASSWORD, SALT, WRONG, grant, token, unseal, world
from tests.oauth.support import sealed_record as existing_record

TOKEN = Secret("imported-refresh")
SECRETLESS = replace(ACCOUNT, client_secret=None)


async def test_a_login_with_that_password_needs_no_consent() -> None:
    record = sealed_record(ACCOUNT, TOKEN, PASSWORD, None, FEW)
    async with world(grant("fresh"), record=record) as here:
        assert await token(here) == "fresh"
        assert here.provider.requests[0]["grant_type"] == "refresh_token"
        assert here.provider.requests[0]["refresh_token"] == "imported-refresh"
        assert here.announced == []


def test_a_new_record_has_a_salt_of_its_own_and_the_current_iterations() -> None:
    one, other = (sealed_record(ACCOUNT, TOKEN, PASSWORD, None, FEW) for _ in range(2))
    assert one.token_salt != other.token_salt
    assert one.token_iterations == FEW.current
    assert unseal(one, "refresh_token") == "imported-refresh"
    assert (one.access_token, one.client_secret_encrypted) == (None, None)


def test_a_sealed_client_secret_is_kept() -> None:
    secret = derive_key(PASSWORD, SALT, FEW.legacy).seal(Secret("the secret"))
    old = existing_record(iterations=FEW.legacy, client_secret_encrypted=secret)
    record = sealed_record(SECRETLESS, TOKEN, PASSWORD, old, FEW)
    assert unseal(record, "client_secret_encrypted") == "the secret"
    assert unseal(record, "refresh_token") == "imported-refresh"
    assert record.token_iterations == FEW.current
    with pytest.raises(PasswordMismatchError, match="another password"):
        sealed_record(SECRETLESS, TOKEN, WRONG, old, FEW)
    # With the plain one in the configuration, the sealed one is no loss.
    assert sealed_record(ACCOUNT, TOKEN, WRONG, old, FEW).client_secret_encrypted is None


def test_a_secret_without_a_salt_opens_with_no_password() -> None:
    with pytest.raises(PasswordMismatchError):
        sealed_record(SECRETLESS, TOKEN, PASSWORD, Record(client_secret_encrypted="x"), FEW)


def test_an_inherited_client_secret_shares_its_salt() -> None:
    key = derive_key(PASSWORD, SALT, FEW.current)
    inherited = SealedSecret(key.seal(Secret("the secret")), key.salt_text, FEW.current)
    account = replace(SECRETLESS, inherited_secret=inherited)
    assert sealed_record(account, TOKEN, PASSWORD, None, FEW).token_salt == key.salt_text
    with pytest.raises(PasswordMismatchError, match="catch-all"):
        sealed_record(account, TOKEN, WRONG, None, FEW)


def test_what_counts_as_a_record_in_use() -> None:
    assert is_in_use(existing_record())
    assert not is_in_use(Record(token_salt="x", last_activity=1))
