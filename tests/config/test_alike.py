"""Accounts with the same options are the accounts that each would be by itself, and every message names its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emailproxy.config import Account, ConfigError, Fault, alike, load
from emailproxy.config.alike import Alike
from emailproxy.config.syntax import Section
from emailproxy.references.base import Fetched, Reference
from emailproxy.secret import Secret

from .conftest import ACCOUNT, SERVER, Load

OTHER = ACCOUNT.replace("ada@", "bob@")


def test_equal_but_for_the_name(loaded: Load) -> None:
    accounts = loaded(SERVER + ACCOUNT + OTHER).good.accounts
    ada, bob = accounts["ada@example.com"], accounts["bob@example.com"]
    assert (bob.name, bob.section) == ("bob@example.com", "bob@example.com")
    assert dataclasses.replace(bob, name=ada.name, section=ada.section) == ada


def test_what_the_proxy_keeps_makes_no_difference() -> None:
    kinds = Alike(catch_all=False)
    first = Section("a@x", {"client_id": "id", "access_token": "1"}, frozenset({"client_id", "access_token"}))
    second = Section("b@x", {"client_id": "id", "access_token": "2"}, first.own)
    assert kinds.kind(first) == kinds.kind(second) is not None


def test_what_a_person_writes_does() -> None:
    kinds = Alike(catch_all=False)
    own = frozenset({"client_id"})
    assert kinds.kind(Section("a@x", {"client_id": "id"}, own)) != kinds.kind(Section("b@x", {"client_id": "no"}, own))
    # From [DEFAULT], and in the section: a message names another place.
    assert kinds.kind(Section("a@x", {"client_id": "id"}, own)) != kinds.kind(
        Section("b@x", {"client_id": "id"}, frozenset())
    )


def test_the_domain_counts_where_it_may() -> None:
    first, second = (Section(name, {"client_id": "id"}, frozenset({"client_id"})) for name in ("a@x", "a@y"))
    assert Alike(catch_all=False).kind(first) == Alike(catch_all=False).kind(second)
    assert Alike(catch_all=True).kind(first) != Alike(catch_all=True).kind(second)
    options = {"provider": "office365"}
    first, second = (Section(name, options, frozenset(options)) for name in ("a@x", "a@y"))
    assert Alike(catch_all=False).kind(first) != Alike(catch_all=False).kind(second)


def test_references() -> None:
    kinds = Alike(catch_all=False)
    options, own = {"client_secret": "env:X"}, frozenset({"client_secret"})
    reference = Reference("env", "X")
    assert kinds.kind(Section("a@x", options, own, {"client_secret": reference})) is not None
    # What was read from elsewhere is a value of its own, and what could not be read was a fault.
    fetched = Fetched(reference, Secret("s"))
    for referred in (fetched, None):
        assert kinds.kind(Section("a@x", options, own, {"client_secret": referred})) is None


def test_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "MAX_KINDS", 1)
    kinds = Alike(catch_all=False)
    for number in range(3):
        kinds.remember(number, Account(f"{number}@x", f"{number}@x", "password", "https://x"))
    assert kinds.account(0, "new@x") == Account("new@x", "new@x", "password", "https://x")
    assert kinds.account(1, "new@x") is None


def test_each_is_warned_of(loaded: Load) -> None:
    outcome = loaded(SERVER + (ACCOUNT + OTHER).replace("redirect_uri = http://localhost:8080\n", "odd = 1\n"))
    assert [(each.section, each.option) for each in outcome.warnings] == [
        ("ada@example.com", "odd"),
        ("ada@example.com", "redirect_uri"),
        ("bob@example.com", "odd"),
        ("bob@example.com", "redirect_uri"),
    ]


def test_each_is_faulted(loaded: Load) -> None:
    outcome = loaded(SERVER + (ACCOUNT + OTHER).replace("https://login.example.com/token", "nowhere"))
    assert [each.section for each in outcome.faults] == ["ada@example.com", "bob@example.com"]


def test_spellings_are_compared(loaded: Load) -> None:
    section, _, text = loaded(SERVER + ACCOUNT + ACCOUNT.replace("ada@", "ADA@")).warning()
    assert section == "ADA@example.com"
    assert "differs from [ada@example.com] only in case" in text


_LINES = st.lists(
    st.sampled_from(
        [
            "client_secret = s",
            "redirect_uri = ftp://x",
            "redirect_uri = http://localhost",
            "token_url = http://plain.example.com/token",
            "token_url = https://login.example.com/other",
            "client_id = *** your client id",
            "client_id = id",
            "provider = office365",
            "tenant = example.org",
            "oauth2_flow = client_credentials",
            "oauth2_flow = password",
            "oauth2_scope = mail",
            "login_alias = scanner",
            "upstream_user = other@example.com",
            "imap_server = imap.example.org:1993",
            "access_token = gAAAAA",
            "unknown = 1",
            "tokenurl = x",
        ]
    ),
    unique_by=lambda line: line.partition(" ")[0],
    max_size=7,
)
_SECTIONS = st.lists(
    st.tuples(st.sampled_from(["a@x.com", "A@x.com", "b@x.com", "c@y.com", "d@y.com", "@", "@x.com"]), _LINES),
    unique_by=lambda section: section[0],
    max_size=5,
)


def _outcome(path: Path) -> tuple[object, list[Fault], list[Fault]]:
    try:
        config = load(path)
    except ConfigError as error:
        return None, list(error.faults), list(error.warnings)
    return (config.accounts, config.templates), [], list(config.warnings)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sections=_SECTIONS, common=_LINES, catch_all=st.booleans())
def test_as_if_each_were_checked_by_itself(
    tmp_path: Path, sections: list[tuple[str, list[str]]], common: list[str], catch_all: bool
) -> None:
    """With all that is alike, and with nothing that is."""
    path = tmp_path / "emailproxy.config"
    lines = [SERVER, "[emailproxy]", f"allow_catch_all_accounts = {catch_all}"]
    for name, own in sections:
        names = {line.partition(" ")[0] for line in own}
        lines += [f"[{name}]", *(line for line in common if line.partition(" ")[0] not in names), *own]
    path.write_text("\n".join(lines))
    found = _outcome(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alike, "MAX_KINDS", 0)
        assert _outcome(path) == found
