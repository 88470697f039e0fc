"""Does a block say only what its provider's schema knows, and all that it wants?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tests.terraform.extraction import Schema
from tests.terraform.parsing import Block, plain

__all__ = ["faults"]

META: Final = {"count", "for_each", "provider", "depends_on"}
"""Arguments of Terraform's own, which every resource takes."""
META_BLOCKS: Final = {"lifecycle", "connection", "provisioner"}
_MARK: Final = "__is_block__"


def faults(block: Block, schema: Schema) -> Iterator[str]:
    """Everything that `block` (a resource, a data source or a provider) has and must not, or must have and has not."""
    for sentence in _faults(block.body, schema, META | {"alias"} if block.kind == "provider" else META, META_BLOCKS):
        yield f"{block.address}: {sentence}"


def _faults(body: dict[str, Any], schema: Schema, meta: set[str], meta_blocks: set[str]) -> Iterator[str]:
    attributes, nested = schema["attributes"], schema["blocks"]
    counted = dict.fromkeys(nested, 0)
    dynamic: set[str] = set()
    for name, value in body.items():
        if name.startswith("__") or name in meta or name in meta_blocks:
            continue
        if name == "dynamic":
            for entry in value:
                [(label, inside)] = entry.items()
                label = str(plain(label))
                dynamic.add(label)
                if label not in nested:
                    yield f"there is no block {label}"
                    continue
                for content in inside["content"]:
                    yield from _within(label, content, nested[label]["block"])
        elif _is_block(value):
            if name not in nested:
                yield f"{name} is an argument, not a block" if name in attributes else f"there is no block {name}"
                continue
            counted[name] += len(value)
            for inside in value:
                yield from _within(name, inside, nested[name]["block"])
        elif name in nested:
            yield f"{name} is a block, not an argument"
        elif name not in attributes:
            yield f"there is no argument {name}"
        elif attributes[name].get("computed") and not attributes[name].get("optional"):
            yield f"{name} is the service's to say"
        elif sentence := _wrong_type(value, attributes[name]["type"]):
            yield f"{name} {sentence}"
    for name, attribute in attributes.items():
        if attribute.get("required") and name not in body:
            yield f"the argument {name} is missing"
    for name, rule in nested.items():
        if counted[name] < rule.get("min", 0) and name not in dynamic:
            yield f"the block {name} is missing"
        if "max" in rule and counted[name] > rule["max"]:
            yield f"the block {name} stands there {counted[name]} times, not once"


def _within(name: str, body: dict[str, Any], schema: Schema) -> Iterator[str]:
    for sentence in _faults(body, schema, set(), set()):
        yield f"in {name}: {sentence}"


def _is_block(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and _MARK in value[0]


def _wrong_type(value: Any, kind: Any) -> str | None:
    """What is wrong with a value that is written out; expressions are for ``tofu validate``."""
    if isinstance(value, str) and value.startswith("${"):
        return None
    container = kind[0] if isinstance(kind, list) else kind
    found = {bool: "bool", int: "number", float: "number", str: "string", list: "list", dict: "map"}.get(type(value))
    fits = {
        "string": {"string", "number", "bool"},
        "number": {"number", "string"},
        "bool": {"bool"},
        "list": {"list"},
        "set": {"list"},
        "map": {"map"},
        "object": {"map"},
    }.get(container)
    if found is None or fits is None or found in fits:
        return None
    return f"takes a {container}, not a {found}"
