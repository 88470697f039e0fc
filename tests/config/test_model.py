"""Which account logs in as a user?"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from emailproxy.config import Account, Config, Fault


def account(name: str) -> Account:
    return Account(name=name, section=name, oauth2_flow="password", token_url="https://example.com/token")


def config(*names: str) -> Config:
    accounts = {name: account(name) for name in names if not name.startswith("@")}
    templates = {name: account(name) for name in names if name.startswith("@")}
    return Config(Path("x"), (), accounts, templates)


@pytest.mark.parametrize(
    ("user", "section", "name"),
    [
        ("Ada@Example.com", "Ada@Example.com", "Ada@Example.com"),
        ("ada@example.com", "ada@example.com", "ada@example.com"),
        ("ADA@EXAMPLE.COM", "Ada@Example.com", "Ada@Example.com"),
        ("Bob@Example.COM", "@example.com", "bob@example.com"),
        ("bob@elsewhere.org", "@", "bob@elsewhere.org"),
        ("odd@at@example.com", "@example.com", "odd@at@example.com"),
    ],
)
def test_account(user: str, section: str, name: str) -> None:
    found = config("Ada@Example.com", "ada@example.com", "@Example.com", "@").account(user)
    assert found is not None
    assert (found.section.casefold(), found.name) == (section.casefold(), name)


@pytest.mark.parametrize("user", ["ada", "@example.com", "ada@", "", "@"])
def test_no_account(user: str) -> None:
    assert config("@example.com", "@").account(user) is None


def test_nobody_is_caught_without_templates() -> None:
    assert config("ada@example.com").account("bob@example.com") is None


def test_a_changed_copy_looks_up_its_own_accounts() -> None:
    copy = dataclasses.replace(config("ada@example.com"), accounts={"bob@example.com": account("bob@example.com")})
    assert copy.account("BOB@example.com") is not None
    assert copy.account("ADA@example.com") is None
    assert copy == config("bob@example.com")


def test_thousands_of_accounts_are_looked_up_at_once() -> None:
    many = config(*(f"User{number}@example.com" for number in range(20_000)))
    began = time.process_time()
    for _ in range(1000):
        assert many.account("user19999@EXAMPLE.com") is not None
    # Microseconds each; a walk through all of them would take seconds.
    assert time.process_time() - began < 0.5


def test_fault_in_one_line() -> None:
    assert str(Fault("a.config", "IMAP-1", "server_port", "is odd", "make it even")) == (
        "a.config [IMAP-1] server_port: is odd; make it even"
    )
    assert str(Fault("a.config", None, None, "is odd", "make it even")) == "a.config: is odd; make it even"
