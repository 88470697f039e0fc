from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from emailproxy.config.model import Config
from emailproxy.standing import State, account_names, standing
from emailproxy.status import WaitingAccount
from emailproxy.store.base import Record, StoreContentError, Stored, Version
from emailproxy.store.overview import Entry

from .oauth.support import ACCOUNT, EPOCH, sealed_record, unattended


def entry(record: Record | None) -> Entry:
    return Entry(ACCOUNT.name, Stored(record, Version("1")) if record is not None else None, where="memory:")


@pytest.mark.parametrize(
    ("record", "state", "until"),
    [
        (None, State.NEVER_USED, None),
        (Record(client_secret_encrypted="sealed"), State.NEVER_USED, None),
        (sealed_record(), State.OK, None),
        (sealed_record(refresh=None, expires_in=60), State.OK, EPOCH + 60),
        (sealed_record(refresh=None, expires_in=-60), State.NEEDS_CONSENT, None),
        (replace(sealed_record(refresh=None), access_token_expiry=None), State.NEEDS_CONSENT, None),
    ],
    ids=["absent", "only a client secret", "refresh token", "access token", "an old one", "one without an end"],
)
def test_what_is_stored(record: Record | None, state: State, until: int | None) -> None:
    found = standing(ACCOUNT, entry(record), None, EPOCH)
    assert (found.state, found.until, found.flow) == (state, until, "authorization_code")


def test_an_application_needs_nobody() -> None:
    found = standing(unattended("client_credentials"), entry(sealed_record(refresh=None)), None, EPOCH)
    assert (found.state, found.why) == (State.OK, "needs no person")


def test_the_running_proxy_knows_better() -> None:
    found = standing(ACCOUNT, entry(sealed_record()), WaitingAccount(ACCOUNT.name, "AADSTS70043"), EPOCH)
    assert (found.state, found.why) == (State.NEEDS_CONSENT, "AADSTS70043")


def test_what_cannot_be_read() -> None:
    found = standing(ACCOUNT, Entry(ACCOUNT.name, failure=StoreContentError("damaged")), None, EPOCH)
    assert (found.state, found.why, found.last_use) == (State.UNKNOWN, "damaged", None)


def test_who_is_listed() -> None:
    config = Config(
        Path("x"), (), {"ada@example.com": ACCOUNT}, {"@caught.test": replace(ACCOUNT, name="@caught.test")}
    )
    stored = ["ada@example.com", "bob@caught.test", "eve@elsewhere.test", "@caught.test"]
    assert account_names(config, stored) == ["ada@example.com", "bob@caught.test"]
