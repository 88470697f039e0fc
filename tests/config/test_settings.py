"""The section [emailproxy]."""

from __future__ import annotations

import pytest

from emailproxy.config import Settings

from .conftest import ACCOUNT, SERVER, Load


def test_defaults(loaded: Load) -> None:
    assert loaded(SERVER + ACCOUNT).good.settings == Settings()
    assert loaded(SERVER + ACCOUNT + "[emailproxy]\n").good.settings == Settings()


def test_all(loaded: Load) -> None:
    text = """\
[emailproxy]
delete_account_token_on_password_error = False
encrypt_client_secret_on_first_use = yes
use_login_password_as_client_credentials_secret = 1
allow_catch_all_accounts = ON
login_wait = 12.5
drain = 0
max_connections = 7
max_connections_per_address = 3
"""
    assert loaded(SERVER + ACCOUNT + text).good.settings == Settings(
        delete_account_token_on_password_error=False,
        encrypt_client_secret_on_first_use=True,
        use_login_password_as_client_credentials_secret=True,
        allow_catch_all_accounts=True,
        login_wait=12.5,
        drain=0.0,
        max_connections=7,
        max_connections_per_address=3,
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("delete_account_token_on_password_error", "nope"),
        ("login_wait", "a minute"),
        ("login_wait", "-1"),
        ("login_wait", "nan"),
        ("drain", "inf"),
        ("drain", "1e9"),
        ("max_connections", "0"),
        ("max_connections", "many"),
        ("max_connections", "1.5"),
        ("max_connections_per_address", "-3"),
        ("max_connections_per_address", "9" * 5000),
    ],
)
def test_wrong_values(loaded: Load, option: str, value: str) -> None:
    section, name, text = loaded(SERVER + ACCOUNT + f"[emailproxy]\n{option} = {value}\n").fault()
    assert (section, name) == ("emailproxy", option)
    assert len(text) < 200


def test_mistyped(loaded: Load) -> None:
    outcome = loaded(SERVER + ACCOUNT + "[emailproxy]\nallow_catchall_accounts = True\n")
    assert outcome.fault()[2].endswith("did you mean allow_catch_all_accounts?")


def test_unknown(loaded: Load) -> None:
    assert loaded(SERVER + ACCOUNT + "[emailproxy]\ncolour = True\n").warning()[1] == "colour"
