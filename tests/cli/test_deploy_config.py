"""From the outputs of Terraform to a file that the proxy serves, without copying by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emailproxy.cli import Exit

from .support import run

ACCOUNT = {
    "provider": "office365",
    "oauth2_flow": "client_credentials",
    "tenant": "11111111-2222-3333-4444-555555555555",
    "client_id": "01234567-89ab-cdef-0123-456789abcdef",
    "client_assertion": "managed-identity:89abcdef-0123-4567-89ab-cdef01234567",
}
VALUE: dict[str, Any] = {
    "format": 1,
    "sections": {"IMAP-1993": {"provider": "office365", "local_address": "localhost"}, "a@example.com": ACCOUNT},
    "cache_store": "azure:https://v.vault.azure.net/mail?identity=me",
    "extras": ["azure"],
    "next_steps": ["Give the application access to the mailboxes."],
}


def outputs(**changes: object) -> str:
    return json.dumps({"emailproxy": {"sensitive": False, "value": VALUE | changes}})


def test_writes_what_check_accepts_and_says_what_is_next(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    sections = VALUE["sections"] | {"emailproxy": {"seal_key": "azure:v/secrets/key?identity=me"}}
    status, out, err = run("--config-file", path, "deploy-config", typed=outputs(sections=sections))
    assert (status, err) == (0, "")
    assert f"{path} is written: servers 1, accounts 1, tokens in azure:https://v.vault.azure.net/mail\n" in out
    steps = out.partition("Next:\n")[2].splitlines()
    assert [step.split()[0] for step in steps] == ["1.", "2.", "3.", "4.", "5."]
    assert "pip install 'emailproxy-cloud[azure]'" in steps[0]
    assert steps[2] == "  3. Give the application access to the mailboxes."
    store = f"emailproxy --config-file {path} --cache-store 'azure:https://v.vault.azure.net/mail?identity=me'"
    assert steps[3].endswith(f"{store} passwords add a@example.com --name scanner")
    assert steps[4].endswith(store)


def test_the_written_file_is_served(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    value = json.dumps(VALUE | {"extras": []})
    assert run("--config-file", path, "deploy-config", "-", typed=value)[0] == 0
    status, out, _ = run("--config-file", path, "check")
    assert status == 0
    assert "1 server, 1 account" in out


def test_without_a_service_key_no_password_is_promised(tmp_path: Path) -> None:
    _, out, _ = run("--config-file", tmp_path / "c", "deploy-config", typed=outputs())
    assert "passwords add" not in out


def test_from_a_file_and_for_ones_own_login(tmp_path: Path) -> None:
    source = tmp_path / "outputs.json"
    source.write_text(outputs())
    status, out, _ = run("--config-file", tmp_path / "c", "deploy-config", source, "--own-login")
    assert status == 0
    assert "--cache-store azure:https://v.vault.azure.net/mail\n" in out


def test_never_over_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_text("mine\n")
    status, _, err = run("--config-file", path, "deploy-config", typed=outputs())
    assert status == Exit.FAILED
    assert "--force replaces it" in err
    assert path.read_text() == "mine\n"
    assert run("--config-file", path, "deploy-config", "--force", typed=outputs())[0] == 0
    assert "[a@example.com]" in path.read_text()


def test_faults_of_the_outputs_and_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    status, _, err = run("--config-file", path, "deploy-config", typed="no json")
    assert status == Exit.CONFIGURATION
    assert "tofu output -json" in err
    wrong = VALUE["sections"] | {"b@example.com": {"provider": "office356", "client_id": "x"}}
    status, _, err = run("--config-file", path, "deploy-config", typed=outputs(sections=wrong))
    assert status == Exit.CONFIGURATION
    assert f"{path} [b@example.com] provider" in err
    assert not path.exists()


def test_a_warning_of_the_configuration_is_told(tmp_path: Path) -> None:
    open_to_all = {"IMAP-1993": {"provider": "office365"}, "a@example.com": ACCOUNT}
    status, _, err = run("--config-file", tmp_path / "c", "deploy-config", typed=outputs(sections=open_to_all))
    assert status == 0
    assert "[IMAP-1993]" in err


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    status, _, err = run("--config-file", tmp_path / "no" / "c", "deploy-config", typed=outputs())
    assert status == Exit.FAILED
    assert "cannot be written" in err
