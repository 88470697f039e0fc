"""The file is what the proxy reads, is checked before it is there, and never replaces another by accident."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from emailproxy.config import ConfigError
from emailproxy.deploying.outputs import Deployment
from emailproxy.deploying.writing import HEADER, checked, text, write

ACCOUNT = {
    "provider": "office365",
    "oauth2_flow": "client_credentials",
    "tenant": "11111111-2222-3333-4444-555555555555",
    "client_id": "01234567-89ab-cdef-0123-456789abcdef",
    "client_assertion": "managed-identity:89abcdef-0123-4567-89ab-cdef01234567",
}


def deployment(**sections: dict[str, str]) -> Deployment:
    usual = {
        "b@example.com": ACCOUNT,
        "SMTP-1587": {"provider": "office365"},
        "IMAP-1993": {"provider": "office365", "local_certificate_path": "azure:v/secrets/certificate"},
        "emailproxy": {"seal_key": "azure:v/secrets/service-key", "drain": "3"},
        "a@example.com": ACCOUNT,
    }
    return Deployment(usual | sections, "azure:v", ("azure",), ())


def test_settings_then_servers_then_accounts() -> None:
    written = text(deployment())
    assert written.startswith(HEADER)
    assert [line for line in written.splitlines() if line.startswith("[")] == [
        "[emailproxy]",
        "[IMAP-1993]",
        "[SMTP-1587]",
        "[a@example.com]",
        "[b@example.com]",
    ]
    assert "[emailproxy]\ndrain = 3\nseal_key = azure:v/secrets/service-key\n" in written


def test_what_stands_elsewhere_is_not_looked_up(tmp_path: Path) -> None:
    config = checked(deployment(), tmp_path / "emailproxy.config")
    assert config.path == tmp_path / "emailproxy.config"
    assert [server.local_port for server in config.servers] == [1993, 1587]
    assert sorted(config.accounts) == ["a@example.com", "b@example.com"]
    assert not config.references


def test_no_sdk_is_needed_to_check(tmp_path: Path) -> None:
    account = ACCOUNT | {"client_assertion": "aws:eu-central-1"}
    google = {"provider": "workspace", "oauth2_flow": "service_account", "client_id": "adc"}
    secret = {**ACCOUNT, "client_secret": "aws:mail/app"}
    del secret["client_assertion"]
    found = checked(
        deployment(**{"a@example.com": account, "b@example.com": google, "c@example.com": secret}), tmp_path / "config"
    )
    assert len(found.accounts) == 3


def test_a_fault_names_the_file_that_is_to_be(tmp_path: Path) -> None:
    wrong = deployment(**{"a@example.com": {"provider": "office356", "client_id": "x"}})
    with pytest.raises(ConfigError) as caught:
        checked(wrong, tmp_path / "my.config")
    [fault] = [fault for fault in caught.value.faults if fault.option == "provider"]
    assert fault.file == str(tmp_path / "my.config")
    assert not (tmp_path / "my.config").exists()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    write(path, "x\n", over=False)
    assert path.read_text() == "x\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_there_stays_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_text("old\n")
    with pytest.raises(FileExistsError):
        write(path, "new\n", over=False)
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]
    write(path, "new\n", over=True)
    assert path.read_text() == "new\n"
    assert list(tmp_path.iterdir()) == [path]
