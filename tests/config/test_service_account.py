"""Accounts of the flow ``service_account`` in a configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emailproxy.assertions.base import IssuerAddress
from emailproxy.config import ConfigError, load
from tests.assertions.fakes import FakeIssuer, issuers

from .conftest import SERVER, Load
from .keys import google_key, key


def text(client_id: str, client_secret: object = None) -> str:
    secret = f"client_secret = {client_secret}\n" if client_secret is not None else ""
    return (
        f"{SERVER}[ada@example.com]\noauth2_flow = service_account\ntoken_url = https://oauth2.googleapis.com/token\n"
        f"oauth2_scope = https://mail.google.com/\nclient_id = {client_id}\n{secret}"
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(google_key())
    path.chmod(0o600)
    return path


def test_a_file(loaded: Load, file: Path) -> None:
    outcome = loaded(text("file", file))
    assert outcome.warnings == ()
    (account,) = outcome.good.accounts.values()
    assert account.signer is None
    assert not account.asserts


def test_the_key_itself(loaded: Load) -> None:
    (account,) = loaded(text("key", google_key())).good.accounts.values()
    assert "PRIVATE" not in repr(account)


def test_a_reference_to_the_key(loaded: Load, file: Path) -> None:
    assert loaded(text("key", f"file:{file}")).warnings == ()


@pytest.mark.parametrize(
    ("client_id", "client_secret", "option", "said"),
    [
        ("file", None, "client_secret", "this required option is missing"),
        ("file", "/none/key.json", "client_secret", "cannot be read: No such file"),
        ("file", "/dev/zero", "client_secret", "too large"),
        ("key", "{}", "client_secret", "this JSON is no key of a service account"),
        ("key", google_key(private_key=key().decode()[:300]), "client_secret", "no private key that can be read"),
        ("0123.apps.googleusercontent.com", None, "client_id", "this says not where the service account's key is"),
        ("file:/key.json", None, "client_id", "this says not where"),
        ("key:x", None, "client_id", "this says not where"),
    ],
)
def test_faults(loaded: Load, client_id: str, client_secret: object, option: str, said: str) -> None:
    section, where, problem = loaded(text(client_id, client_secret)).fault()
    assert (section, where) == ("ada@example.com", option)
    assert said in problem
    assert key().decode().splitlines()[3] not in problem


class TestNobodysKey:
    @pytest.mark.parametrize("principal", ["", "mail@project.iam.gserviceaccount.com"])
    def test_known(self, tmp_path: Path, principal: str) -> None:
        path = tmp_path / "emailproxy.config"
        path.write_text(text(f"adc:{principal}" if principal else "adc"))
        (account,) = load(path, issuers=issuers(FakeIssuer())).accounts.values()
        assert account.signer == IssuerAddress("adc", principal)
        assert account.asserts

    def test_a_missing_sdk(self, loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "google.auth", None)
        _, option, problem = loaded(text("adc")).fault()
        assert option == "client_id"
        assert "pip install 'emailproxy-cloud[gcp]'" in problem

    def test_a_secret_beside_it(self, tmp_path: Path) -> None:
        path = tmp_path / "emailproxy.config"
        path.write_text(text("adc", "s3cret"))
        (warning,) = load(path, issuers=issuers(FakeIssuer())).warnings
        assert warning.problem == "has no effect beside client_id = adc"

    def test_malformed(self, tmp_path: Path) -> None:
        path = tmp_path / "emailproxy.config"
        path.write_text(text("adc:malformed"))
        with pytest.raises(ConfigError) as caught:
            load(path, issuers=issuers(FakeIssuer()))
        assert [fault.option for fault in caught.value.faults] == ["client_id"]
