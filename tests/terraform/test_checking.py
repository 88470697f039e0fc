from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.terraform.checking import faults
from tests.terraform.extraction import Schema
from tests.terraform.parsing import blocks

SCHEMA: Schema = {
    "attributes": {
        "name": {"type": "string", "required": True},
        "sugar": {"type": "number", "optional": True},
        "vegan": {"type": "bool", "optional": True},
        "colours": {"type": ["set", "string"], "optional": True},
        "tags": {"type": ["map", "string"], "optional": True},
        "price": {"type": "number", "computed": True},
    },
    "blocks": {
        "layer": {
            "nesting": "list",
            "min": 1,
            "max": 1,
            "block": {"attributes": {"filling": {"type": "string", "required": True}}, "blocks": {}},
        },
        "candle": {
            "nesting": "set",
            "block": {"attributes": {"colour": {"type": "string", "optional": True}}, "blocks": {}},
        },
    },
}

GOOD = """
resource "bakery_cake" "this" {
  count   = 2
  # Words.
  name    = "torte"
  sugar   = 3
  vegan   = var.vegan
  colours = ["red", "white"]
  tags    = { for = "ada" }

  layer {
    filling = "cream"
  }

  dynamic "candle" {
    for_each = var.candles
    content {
      colour = candle.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}
"""


def checked(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "main.tf").write_text(text, "utf-8")
    [block] = blocks(tmp_path)
    return [sentence.partition(": ")[2].partition(": ")[2] for sentence in faults(block, SCHEMA)]


def test_what_is_right_has_no_fault(tmp_path: Path) -> None:
    assert checked(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("  sugar   = 3", "  suger = 3", "there is no argument suger"),
        ('  name    = "torte"\n', "", "the argument name is missing"),
        ("  sugar   = 3", "  price = 3", "price is the service's to say"),
        ("  sugar   = 3", "  sugar = [3]", "sugar takes a number, not a list"),
        ("  vegan   = var.vegan", '  vegan = "yes"', "vegan takes a bool, not a string"),
        ('  colours = ["red", "white"]', '  colours = "red"', "colours takes a set, not a string"),
        ('  tags    = { for = "ada" }', '  tags = ["ada"]', "tags takes a map, not a list"),
        ('  layer {\n    filling = "cream"\n  }\n', "", "the block layer is missing"),
        ("  layer {", "  layer {\n    filling = 1\n  }\n  layer {", "the block layer stands there 2 times, not once"),
        ("filling =", "fillings =", "in layer: there is no argument fillings"),
        ("filling =", "fillings =", "in layer: the argument filling is missing"),
        ("  layer {", "  layer = {", "layer is a block, not an argument"),
        ('  tags    = { for = "ada" }', '  tags {\n    for = "ada"\n  }', "tags is an argument, not a block"),
        ("  lifecycle {", "  icing {", "there is no block icing"),
        ('dynamic "candle"', 'dynamic "lamp"', "there is no block lamp"),
        ("colour = candle", "color = candle", "in candle: there is no argument color"),
    ],
    ids=lambda value: value.strip()[:30] if isinstance(value, str) else None,
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert old in GOOD
    assert fault in checked(tmp_path, GOOD.replace(old, new))


def test_the_block_is_named(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "bakery_cake" "this" {}\n', "utf-8")
    [block] = blocks(tmp_path)
    empty: dict[str, Any] = {"attributes": {"name": {"type": "string", "required": True}}, "blocks": {}}
    assert list(faults(block, empty)) == [
        f"{tmp_path.name}/main.tf: resource bakery_cake this: the argument name is missing"
    ]
