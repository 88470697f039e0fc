"""What the modules render is run where it can be, and parsed where it cannot; both writers write one configuration."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emailproxy.deploying.outputs import read
from emailproxy.deploying.writing import HEADER, checked, text
from emailproxy_backends.aws_address import parsed as aws_address
from emailproxy_backends.azure_address import parsed_address as azure_address
from emailproxy_backends.gcp_address import parse_address as gcp_address
from tests.terraform.parsing import TERRAFORM
from tests.terraform.tofu import Tofu

CLIENT_ID = "01234567-89ab-cdef-0123-456789abcdef"
OBJECT_ID = "89abcdef-0123-4567-89ab-cdef01234567"

ROOT = """
module "this" {{
  source = "{source}"
{arguments}
}}

output "value" {{
  value     = {value}
  sensitive = false
}}
"""


def rendered(tofu: Tofu, folder: Path, module: str, arguments: str, value: str) -> Any:
    """The output of a module that needs no provider, by a real apply."""
    source = TERRAFORM / "modules" / module
    (folder / "main.tf").write_text(ROOT.format(source=source, arguments=arguments, value=value), "utf-8")
    tofu.initialised(folder)
    tofu(folder, "apply", "-auto-approve", "-no-color")
    return json.loads(tofu(folder, "output", "-json"))["value"]["value"]


@pytest.fixture
def exchange_script(tofu: Tofu, tmp_path: Path) -> str:
    arguments = f"""
  organization                = "example.onmicrosoft.com"
  client_id                   = "{CLIENT_ID}"
  service_principal_object_id = "{OBJECT_ID}"
  mailboxes = {{
    "reports@example.com" = {{}}
    "scanner@example.com" = {{ read = false }}
  }}"""
    script = rendered(tofu, tmp_path, "exchange-access", arguments, "module.this.script")
    assert isinstance(script, str)
    return script


def mistakes(script: str) -> list[str]:
    import tree_sitter
    import tree_sitter_powershell

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    found = []
    nodes = [parser.parse(script.encode()).root_node]
    while nodes:
        node = nodes.pop()
        if node.is_error or node.is_missing:
            found.append(f"line {node.start_point[0] + 1}: {script.splitlines()[node.start_point[0]]}")
        nodes += node.children
    return found


def test_the_script_for_exchange_is_powershell(exchange_script: str) -> None:
    assert mistakes(exchange_script) == []
    assert mistakes(exchange_script.replace("foreach ($mailbox in", "foreach ($mailbox of")) != []


def test_the_script_for_exchange_undoes_what_it_does(exchange_script: str) -> None:
    for done, undone in [
        ("New-ServicePrincipal", "Remove-ServicePrincipal"),
        ("Add-MailboxPermission", "Remove-MailboxPermission"),
        ("Add-RecipientPermission", "Remove-RecipientPermission"),
        ("-SmtpClientAuthenticationDisabled $false", "-SmtpClientAuthenticationDisabled $null"),
    ]:
        assert done in exchange_script
        assert undone in exchange_script


PROGRAM = """#!/bin/sh
printf '%s\\n' "$(basename "$0") $*" >> "$LOG"
case "$*" in
  "ad app credential reset"*) printf 'the~secret\\n' ;;
  *describe*) exit 1 ;;
  *keyvault*|*create-secret*|*"versions add"*) cat > "$KEPT" ;;
esac
"""


@pytest.mark.parametrize(
    ("kind", "place", "name", "command"),
    [
        ("azure", "office", "mail-app", "az keyvault secret set --vault-name office --name mail-app"),
        ("aws", "", "mail/app", "aws secretsmanager create-secret --name mail/app"),
        ("gcp", "my-project", "mail-app", "gcloud secrets versions add mail-app --project my-project"),
    ],
    ids=["azure", "aws", "gcp"],
)
def test_a_client_secret_is_on_no_command_line(
    tofu: Tofu, tmp_path: Path, kind: str, place: str, name: str, command: str
) -> None:
    template = TERRAFORM / "modules" / "entra-application" / "client-secret.sh.tftpl"
    (tmp_path / "main.tf").write_text(
        f"""output "value" {{
  value = templatefile("{template}", {{
    client_id = "{CLIENT_ID}", reference = "{kind}:x", kind = "{kind}", place = "{place}", name = "{name}"
  }})
}}
""",
        "utf-8",
    )
    tofu(tofu.initialised(tmp_path), "apply", "-auto-approve", "-no-color")
    script = tmp_path / "client-secret.sh"
    script.write_text(json.loads(tofu(tmp_path, "output", "-json", "value")), "utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("az", "aws", "gcloud"):
        (programs / program).write_text(PROGRAM, "utf-8")
        (programs / program).chmod(stat.S_IRWXU)
    log, kept = tmp_path / "log", tmp_path / "kept"
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "LOG": str(log), "KEPT": str(kept)}
    done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, check=True)
    assert kept.read_text() == "the~secret"
    assert "the~secret" not in log.read_text() + done.stdout + done.stderr
    assert any(line.startswith(command) for line in log.read_text().splitlines())
    assert f"credential reset --id {CLIENT_ID} --append" in log.read_text()


CONFIGURATION = f"""
  ports       = {{ imap = 1993, smtp = 587 }}
  tls         = {{ certificate = "azure:v/secrets/certificate", key = "azure:v/secrets/key" }}
  cache_store = "azure:https://mail-vault.vault.azure.net/mail?identity={OBJECT_ID}"
  extras      = ["azure"]
  settings    = {{ seal_key = "azure:v/secrets/service-key", drain = "3" }}
  accounts    = {{ "a@example.com" = {{}}, "@example.org" = {{ client_id = "x" }} }}
  account_defaults = {{
    oauth2_flow      = "client_credentials"
    tenant           = "11111111-2222-3333-4444-555555555555"
    client_id        = "{CLIENT_ID}"
    client_assertion = "managed-identity:{OBJECT_ID}"
  }}"""


def test_terraform_and_deploy_config_write_the_same(tofu: Tofu, tmp_path: Path) -> None:
    value = "{ text = module.this.text, emailproxy = module.this.emailproxy }"
    said = rendered(tofu, tmp_path, "configuration", CONFIGURATION, value)
    deployment = read(json.dumps({"emailproxy": {"value": said["emailproxy"]}}).encode())
    assert said["text"].partition("\n")[2] == text(deployment).removeprefix(HEADER)
    config = checked(deployment, tmp_path / "emailproxy.config")
    assert [server.local_port for server in config.servers] == [1993, 587]
    assert list(config.accounts) == ["a@example.com"]
    assert len(config.templates) == 1
    assert azure_address(deployment.cache_store.removeprefix("azure:")).identity == OBJECT_ID


def test_the_addresses_that_modules_make_are_understood() -> None:
    # What the modules' own tests expect to come out.
    found = []
    for path in TERRAFORM.glob("*/*/tests/*.tftest.hcl"):
        found += re.findall(r'output\.(?:emailproxy\.)?cache_store == "([^"]+)"', path.read_text("utf-8"))
    parsers: dict[str, Callable[[str], object]] = {"azure": azure_address, "aws": aws_address, "gcp": gcp_address}
    for address in found:
        kind, _, rest = address.partition(":")
        parsers[kind](rest)
    assert {address.partition(":")[0] for address in found} == set(parsers)
