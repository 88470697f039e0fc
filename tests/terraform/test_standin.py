from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.terraform.standin import encoded_answer, upgraded
from tests.terraform.tofu import Tofu

GROUP = """
terraform {
  required_providers {
    azurerm = {
      source = "hashicorp/azurerm"
    }
  }
}

resource "azurerm_resource_group" "this" {
  name     = "mail"
  location = "germanywestcentral"
}

output "id" {
  description = "Of the group."
  value       = azurerm_resource_group.this.id
}
"""


def test_a_right_module_is_valid(tofu: Tofu, tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(GROUP, "utf-8")
    assert "The configuration is valid." in tofu(tofu.initialised(tmp_path), "validate", "-no-color")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  name     =", "  nam =", 'An argument named "nam" is not expected here'),
        ('  location = "germanywestcentral"', "", 'The argument "location" is required'),
        ('"mail"', '["mail"]', "string required"),
        (".this.id", ".this.identifier", "Unsupported attribute"),
        ("  name     =", "  timeouts = {}\n  name     =", "Unsupported argument"),
    ],
    ids=["unknown", "missing", "type", "attribute", "block"],
)
def test_a_wrong_one_is_not(tofu: Tofu, tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GROUP
    (tmp_path / "main.tf").write_text(GROUP.replace(old, new), "utf-8")
    assert words in tofu(tofu.initialised(tmp_path), "validate", "-no-color", status=1)


def test_a_stored_state_comes_back_as_it_was() -> None:
    # type_name = "a", version = 300, raw_state { json = "{}" }
    assert upgraded(b"\x0a\x01a\x10\xac\x02\x1a\x04\x0a\x02{}") == b"\x0a\x04\x12\x02{}"


def test_an_empty_provider_is_an_empty_schema() -> None:
    schemas: dict[str, Any] = {"provider": {"attributes": {}, "blocks": {}}, "resource": {}, "data": {}}
    assert encoded_answer(schemas) == b"\x0a\x02\x12\x00"
