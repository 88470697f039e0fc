"""auth_mechanisms: what is offered, what is warned about, and what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.config.sealkey import new_key_text

from .conftest import ACCOUNT, SERVER, Load


@pytest.fixture
def sealed(tmp_path: Path) -> str:
    """A section with a service key."""
    (tmp_path / "seal.key").write_text(new_key_text())
    (tmp_path / "seal.key").chmod(0o600)
    return f"[emailproxy]\nseal_key = file:{tmp_path}/seal.key\n"


@pytest.mark.parametrize(
    ("value", "offered"),
    [
        ("", ()),
        ("plain, login", ()),
        ("scram-sha-256", ("SCRAM-SHA-256",)),
        ("plain SCRAM-SHA-256,  login", ("SCRAM-SHA-256",)),
    ],
)
def test_what_is_offered(loaded: Load, sealed: str, value: str, offered: tuple[str, ...]) -> None:
    config = loaded(f"{SERVER}auth_mechanisms = {value}\n{ACCOUNT}{sealed}").good
    assert config.servers[0].auth_mechanisms == offered
    assert not config.warnings


def test_cram_md5_is_warned_about_and_comes_last(loaded: Load, sealed: str) -> None:
    outcome = loaded(f"{SERVER}auth_mechanisms = cram-md5, scram-sha-256\n{ACCOUNT}{sealed}")
    assert outcome.good.servers[0].auth_mechanisms == ("SCRAM-SHA-256", "CRAM-MD5")
    section, option, words = outcome.warning()
    assert (section, option) == ("IMAP-1993", "auth_mechanisms")
    assert "CRAM-MD5 is weak" in words


@pytest.mark.parametrize("value", ["ntlm", "scram-sha-1", "scram-sha-256-plus", "digest-md5", "\x07"])
def test_others_are_faults(loaded: Load, sealed: str, value: str) -> None:
    section, option, words = loaded(f"{SERVER}auth_mechanisms = {value}\n{ACCOUNT}{sealed}").fault()
    assert (section, option) == ("IMAP-1993", "auth_mechanisms")
    assert "is not offered; write scram-sha-256" in words
    assert words.isprintable()


def test_without_a_service_key_it_is_a_fault(loaded: Load) -> None:
    section, option, words = loaded(f"{SERVER}auth_mechanisms = scram-sha-256\n{ACCOUNT}").fault()
    assert (section, option) == ("IMAP-1993", "auth_mechanisms")
    assert "emailproxy seal init" in words


def test_a_broken_service_key_is_one_fault(loaded: Load) -> None:
    text = f"{SERVER}auth_mechanisms = scram-sha-256\n{ACCOUNT}[emailproxy]\nseal_key = file:/nowhere/seal.key\n"
    assert loaded(text).fault()[1] == "seal_key"
