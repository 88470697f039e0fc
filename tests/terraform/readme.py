"""What are a module's inputs and outputs? The tables of its README, written from its files.

``python -m tests.terraform.readme`` writes them between the two marks of each README, ``--check`` says which are old.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.terraform.parsing import Block, blocks, folders, plain

__all__ = ["tables", "with_tables"]

BEGIN: Final = "<!-- Written by python -m tests.terraform.readme: -->"
END: Final = "<!-- until here -->"


def tables(folder: Path) -> str:
    """The tables of one module: what it requires, takes, makes and gives."""
    found = blocks(folder)
    return "\n".join(
        [
            *_requirements(found),
            *_inputs([block for block in found if block.kind == "variable"]),
            *_outputs([block for block in found if block.kind == "output"]),
            *_resources(found),
        ]
    )


def with_tables(text: str, folder: Path) -> str:
    """The README `text` with the tables of today.

    Raises:
        ValueError: the marks are not there.
    """
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{folder.name}/README.md lacks the line {BEGIN if not mark else END}")
    return f"{before}{BEGIN}\n\n{tables(folder)}\n{END}{after}"


def _requirements(found: tuple[Block, ...]) -> Iterator[str]:
    yield "| requires | version |"
    yield "| --- | --- |"
    for block in found:
        if block.kind != "terraform":
            continue
        if "required_version" in block.body:
            yield f"| OpenTofu or Terraform | `{plain(block.body['required_version'])}` |"
        for providers in block.body.get("required_providers", []):
            for name, said in sorted(providers.items()):
                if not name.startswith("__"):
                    values = {key: plain(value) for key, value in said.items()}
                    yield f"| {values['source']} | `{values.get('version', '')}` |"
    yield ""


def _inputs(found: list[Block]) -> Iterator[str]:
    if not found:
        return
    yield "| input | type | default | |"
    yield "| --- | --- | --- | --- |"
    needed = [block for block in found if "default" not in block.body]
    for block in needed + [block for block in found if "default" in block.body]:
        default = "required" if block in needed else f"`{_hcl(block.body['default'])}`"
        kind = _code(str(block.body.get("type", "any")))
        yield f"| `{block.labels[0]}` | `{kind}` | {default} | {_sentence(block.body['description'])} |"
    yield ""


def _outputs(found: list[Block]) -> Iterator[str]:
    if not found:
        return
    yield "| output | |"
    yield "| --- | --- |"
    for block in found:
        yield f"| `{block.labels[0]}` | {_sentence(block.body['description'])} |"
    yield ""


def _resources(found: tuple[Block, ...]) -> Iterator[str]:
    names = sorted(f"`{block.labels[0]}.{block.labels[1]}`" for block in found if block.kind == "resource")
    if names:
        yield f"It makes {', '.join(names)}."
        yield ""


def _sentence(text: Any) -> str:
    text = str(plain(text))
    if heredoc := re.fullmatch(r"<<-?(\w+)\n(.*)\n\s*\1", text, re.DOTALL):
        text = heredoc[2]
    return re.sub(r"\s+", " ", text).strip().replace('\\"', '"').replace("|", "\\|")


def _code(expression: str) -> str:
    inside = re.fullmatch(r"\$\{(.*)\}", expression, re.DOTALL)
    line = re.sub(r"\s+", " ", inside[1] if inside else expression).replace("|", "\\|")
    return re.sub(r"(?<=[^\s{])\}", " }", re.sub(r"\{(?=[^\s}])", "{ ", line))


def _hcl(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        inner = ", ".join(f"{plain(key)} = {_hcl(entry)}" for key, entry in value.items() if not key.startswith("__"))
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_hcl(entry) for entry in value)}]"
    return _code(str(value))


def main() -> int:
    """Write or check all; exit status 1 if one is old."""
    status = 0
    for folder in folders():
        path = folder / "README.md"
        text = path.read_text("utf-8")
        new = with_tables(text, folder)
        if "--check" not in sys.argv:
            path.write_text(new, "utf-8")
        elif new != text:
            sys.stdout.write(f"{path}: the tables are old; run python -m tests.terraform.readme\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
