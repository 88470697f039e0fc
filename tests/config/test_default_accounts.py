"""default_account: who may send without a login, and what would be an open relay."""

from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.config.sealkey import new_key_text

from .conftest import ACCOUNT, Load, Outcome

SMTP = "[SMTP-1465]\nlocal_address = localhost\nserver_address = smtp.example.com\nserver_port = 465\n"
ADA = "ada@example.com"


@pytest.fixture
def sealed(tmp_path: Path) -> str:
    (tmp_path / "seal.key").write_text(new_key_text())
    (tmp_path / "seal.key").chmod(0o600)
    return f"[emailproxy]\nseal_key = file:{tmp_path}/seal.key\n"


def say(loaded: Load, value: str, sealed: str, server: str = SMTP) -> Outcome:
    return loaded(f"{server}default_account = {value}\n{ACCOUNT}{sealed}")


def test_nobody_by_default(loaded: Load) -> None:
    (server,) = loaded(SMTP + ACCOUNT).good.servers
    assert server.default_account("127.0.0.1") is None


def test_the_narrowest_network_counts(loaded: Load, sealed: str) -> None:
    other = ACCOUNT.replace("ada", "bob")
    outcome = say(loaded, f"10.0.0.0/8 {ADA},\n  10.1.2.3 bob@example.com, 2001:db8::/48 {ADA}", other + sealed)
    (server,) = outcome.good.servers
    assert len(outcome.warnings) == 3
    assert all("without a password" in warning.problem for warning in outcome.warnings)
    assert server.default_account("10.1.2.3") == "bob@example.com"
    assert server.default_account("::ffff:10.1.2.4") == ADA
    assert server.default_account("2001:db8::1%eth0") == ADA
    assert server.default_account("11.0.0.1") is None
    assert server.default_account("no address") is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (ADA, "not a network and an account"),
        (f"10.0.0.0/8 {ADA} more", "not a network and an account"),
        (f"10.0.0.1/8 {ADA}", "not a network"),
        (f"0.0.0.0/0 {ADA}", "anybody could send"),
        (f"10.0.0.0/7 {ADA}", "anybody could send"),
        (f"::/0 {ADA}", "anybody could send"),
        (f"10.0.0.0/8 {ADA}, 10.0.0.0/8 bob@example.com", "two accounts"),
        ("10.0.0.0/8 bob@example.com", "there is no account bob@example.com"),
    ],
)
def test_mistakes(loaded: Load, sealed: str, value: str, words: str) -> None:
    section, option, text = say(loaded, value, sealed).fault()
    assert (section, option) == ("SMTP-1465", "default_account")
    assert words in text


def test_for_sending_only_and_with_a_service_key(loaded: Load, sealed: str) -> None:
    imap = "[IMAP-1993]\nlocal_address = localhost\nserver_address = imap.example.com\nserver_port = 993\n"
    assert "for sending only" in say(loaded, f"10.0.0.0/8 {ADA}", sealed, imap).fault()[2]
    assert "service key" in say(loaded, f"10.0.0.0/8 {ADA}", "").fault()[2]
