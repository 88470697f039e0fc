"""What stands in the files of terraform/? Their blocks, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = ["TERRAFORM", "Block", "blocks", "folders", "plain", "used_types"]

TERRAFORM: Final = Path(__file__).resolve().parents[2] / "terraform"


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a file, at the top."""

    file: Path
    kind: str
    """``resource``, ``data``, ``variable``, ``output``, ``provider``, ``terraform``, …"""
    labels: tuple[str, ...]
    body: dict[str, Any]
    """Arguments, and nested blocks as lists of bodies."""

    @property
    def address(self) -> str:
        """How a message names it."""
        return f"{self.file.parent.name}/{self.file.name}: {' '.join([self.kind, *self.labels])}"


def folders(root: Path = TERRAFORM) -> list[Path]:
    """Every folder with a module in it, examples included."""
    return sorted({path.parent for path in root.rglob("*.tf") if ".terraform" not in path.parts})


@cache
def blocks(folder: Path) -> tuple[Block, ...]:
    """The blocks of all files of one module.

    Raises:
        lark.exceptions.LarkError: a file is no HCL.
    """
    return tuple(block for file in sorted(folder.glob("*.tf")) for block in _read(file))


def used_types(root: Path) -> set[tuple[str, str]]:
    """Pairs of ``resource`` or ``data`` and the type, of all modules; not ``terraform_data``, which has no provider."""
    return {
        (block.kind, block.labels[0])
        for folder in folders(root)
        for block in blocks(folder)
        if block.kind in ("resource", "data") and block.labels[0] != "terraform_data"
    }


def plain(value: Any) -> Any:
    """A string of HCL without its quotation marks; anything else as it is."""
    if isinstance(value, str) and len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def _read(file: Path) -> Iterator[Block]:
    import hcl2

    with file.open(encoding="utf-8") as opened:
        content = hcl2.load(opened)
    for kind, bodies in content.items():
        if kind.startswith("__"):  # comments
            continue
        for body in bodies:
            labels: list[str] = []
            while not body.get("__is_block__"):
                [(label, body)] = body.items()
                labels.append(str(plain(label)))
            yield Block(file, kind, tuple(labels), body)
