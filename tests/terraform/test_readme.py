from __future__ import annotations

from pathlib import Path

import pytest

from tests.terraform.readme import BEGIN, END, tables, with_tables

TEXT = """
terraform {
  required_version = ">= 1.11.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.55.0"
    }
  }
}

variable "colours" {
  description = "Red | white, as in \\"wine\\"."
  type = map(object({
    deep = optional(bool, true)
  }))
  default = { red = {} }
}

variable "name" {
  description = <<-EOT
    Two lines
    of words.
  EOT
  type        = string
}

resource "azurerm_resource_group" "this" {
  name     = var.name
  location = "x"
}

output "id" {
  description = "Of the group."
  value       = azurerm_resource_group.this.id
}
"""

TABLES = """\
| requires | version |
| --- | --- |
| OpenTofu or Terraform | `>= 1.11.0` |
| hashicorp/azurerm | `>= 4.55.0` |

| input | type | default | |
| --- | --- | --- | --- |
| `name` | `string` | required | Two lines of words. |
| `colours` | `map(object({ deep = optional(bool, true) }))` | `{ red = {} }` | Red \\| white, as in "wine". |

| output | |
| --- | --- |
| `id` | Of the group. |

It makes `azurerm_resource_group.this`.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.tf").write_text(TEXT, "utf-8")
    return tmp_path


def test_what_a_module_takes_and_gives(folder: Path) -> None:
    assert tables(folder) == TABLES


def test_only_what_stands_between_the_marks_changes(folder: Path) -> None:
    old = f"# Title\n\n{BEGIN}\nold\n{END}\nafter\n"
    new = with_tables(old, folder)
    assert new == f"# Title\n\n{BEGIN}\n\n{TABLES}\n{END}\nafter\n"
    assert with_tables(new, folder) == new


def test_a_readme_without_marks_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="lacks the line"):
        with_tables("# Title\n", folder)
