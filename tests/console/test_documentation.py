"""Does docs/console.md say what is said?"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from emailproxy.console.messages import Message

REFERENCE = (Path(__file__).parents[2] / "docs" / "console.md").read_text()
ROWS = dict(re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", REFERENCE, re.MULTILINE))
KINDS = sorted(get_args(Message), key=lambda kind: kind.type)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_every_field_of_every_type_is_explained(kind: type[Any]) -> None:
    missing = [field.name for field in fields(kind) if f"`{field.name}`" not in ROWS[kind.type]]
    assert missing == []


def test_the_example_is_python() -> None:
    [example] = re.findall(r"```python\n(.*?)```", REFERENCE, re.DOTALL)
    compile(example, "docs/console.md", "exec")
