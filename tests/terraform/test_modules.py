from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.terraform.checking import faults
from tests.terraform.parsing import TERRAFORM, blocks, folders, plain
from tests.terraform.readme import with_tables
from tests.terraform.schemas import PACKAGES, load
from tests.terraform.tofu import Tofu

ALL = folders()
MODULES = [folder for folder in ALL if folder.parent.name == "modules"]

NEEDED = {
    "modules": {
        "entra-application",
        "azure-key-vault",
        "aws-secrets-manager",
        "gcp-secret-manager",
        "azure-vm",
        "aws-ec2",
        "gcp-vm",
        "exchange-access",
        "configuration",
    },
    "examples": {"azure-vm-managed-identity", "aws-vm-office365", "gcp-workspace", "kubernetes-azure"},
}

# Their values would stand in the state.
SECRET_RESOURCES = {"azuread_application_password", "azuread_service_principal_password", "google_service_account_key"}
SECRET_ARGUMENTS = {"secret_string", "secret_data", "admin_password", "value_wo_unsafe"}

every = pytest.mark.parametrize("folder", ALL, ids=[f"{folder.parent.name}-{folder.name}" for folder in ALL])
module = pytest.mark.parametrize("folder", MODULES, ids=[folder.name for folder in MODULES])


def test_everything_that_was_promised_is_there() -> None:
    assert {kind: {folder.name for folder in ALL if folder.parent.name == kind} for kind in NEEDED} == NEEDED


@every
def test_a_block_says_what_its_provider_knows(folder: Path) -> None:
    found: list[str] = []
    for block in blocks(folder):
        if block.kind in ("resource", "data") and block.labels[0] != "terraform_data":
            found += faults(block, load(block.labels[0].split("_")[0])[block.kind][block.labels[0]])
        elif block.kind == "provider" and block.labels[0] in PACKAGES:
            found += faults(block, load(block.labels[0])["provider"])
    assert not found


@every
def test_a_variable_has_words_a_type_and_no_silent_null(folder: Path) -> None:
    for block in blocks(folder):
        if block.kind != "variable":
            continue
        assert block.body.get("description"), block.address
        assert block.body.get("type"), block.address
        may_be_null = "default" in block.body and block.body["default"] in (None, "${null}", "null")
        assert may_be_null or block.body.get("nullable") is False, f"{block.address}: nullable = false is missing"
        for rule in block.body.get("validation", []):
            sentence = str(plain(rule["error_message"]))
            assert not sentence[0].islower() or sentence.startswith(block.labels[0]), f"{block.address}: {sentence}"
            assert sentence.endswith("."), f"{block.address}: {sentence}"


@every
def test_an_output_has_words(folder: Path) -> None:
    for block in blocks(folder):
        if block.kind == "output":
            assert block.body.get("description"), block.address


@every
def test_no_secret_reaches_the_state(folder: Path) -> None:
    for block in blocks(folder):
        if block.kind == "resource":
            assert block.labels[0] not in SECRET_RESOURCES, block.address
            assert not SECRET_ARGUMENTS & set(block.body), block.address
            if block.labels[0] == "azurerm_key_vault_secret":
                assert "value" not in block.body, f"{block.address}: value_wo is write-only"
        if (
            block.kind == "variable"
            and re.search(r"key|password|secret$", block.labels[0])
            and block.body.get("sensitive")
        ):
            assert block.body.get("ephemeral") is True, f"{block.address}: ephemeral = true is missing"


@every
def test_the_readme_has_todays_tables(folder: Path) -> None:
    path = folder / "README.md"
    text = path.read_text("utf-8")
    assert text == with_tables(text, folder), "run python -m tests.terraform.readme"


@module
def test_each_validation_has_a_test_that_it_refuses(folder: Path) -> None:
    text = "".join(path.read_text("utf-8") for path in (folder / "tests").glob("*.tftest.hcl"))
    refused = set(re.findall(r"expect_failures = \[var\.(\w+)\]", text))
    ruled = {block.labels[0] for block in blocks(folder) if block.kind == "variable" and "validation" in block.body}
    assert refused >= ruled


def test_everything_is_formatted(tofu: Tofu) -> None:
    assert tofu(TERRAFORM, "fmt", "-check", "-recursive", "-diff", "-no-color", status=None) == ""


@every
def test_validate(tofu: Tofu, folder: Path) -> None:
    assert "The configuration is valid." in tofu(tofu.initialised(folder), "validate", "-no-color")


@pytest.mark.parametrize(
    "folder",
    [folder for folder in ALL if (folder / "tests").is_dir()],
    ids=[f"{folder.parent.name}-{folder.name}" for folder in ALL if (folder / "tests").is_dir()],
)
def test_tests_of_the_module(tofu: Tofu, folder: Path) -> None:
    said = tofu(tofu.initialised(folder), "test", "-no-color")
    assert re.search(r"^Success! [1-9]\d* passed, 0 failed\.$", said, re.MULTILINE), said
