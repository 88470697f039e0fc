"""What docs/deploy and the READMEs say can be typed: configurations are accepted, variables are there, links lead
somewhere."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

from emailproxy.deploying.outputs import Deployment
from emailproxy.deploying.writing import checked
from tests.terraform.parsing import TERRAFORM, blocks, folders
from tests.terraform.pictures import FOLDER

DOCUMENTS = [FOLDER / "azure.md", FOLDER / "aws.md", FOLDER / "gcp.md"]
EXAMPLES = {"azure.md": "azure-vm-managed-identity", "aws.md": "aws-vm-office365", "gcp.md": "gcp-workspace"}
EVERY = [*DOCUMENTS, TERRAFORM / "README.md", *(folder / "README.md" for folder in folders())]

every = pytest.mark.parametrize("path", EVERY, ids=[f"{path.parent.name}-{path.name}" for path in EVERY])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_configuration_is_accepted(path: Path) -> None:
    found = re.findall(r"^```ini\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    for text in found:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(text)
        sections = {name: dict(parser[name]) for name in parser.sections()}
        checked(Deployment(sections, "file:x", (), ()), path)


@every
def test_the_variables_are_there_and_all_that_are_needed(path: Path) -> None:
    name = EXAMPLES.get(path.name, path.parent.name)
    folder = TERRAFORM / "examples" / name
    if not folder.is_dir():
        return
    found = re.findall(r"^cat > terraform.tfvars <<END\n(.*?)^END$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    given = set(re.findall(r"^(\w+) +=", found[0], re.MULTILINE))
    variables = {block.labels[0]: "default" in block.body for block in blocks(folder) if block.kind == "variable"}
    assert given <= variables.keys()
    assert given >= {variable for variable, optional in variables.items() if not optional}


@every
def test_the_outputs_are_there(path: Path) -> None:
    name = EXAMPLES.get(path.name, path.parent.name)
    folder = TERRAFORM / "examples" / name
    if not folder.is_dir():
        return
    outputs = {block.labels[0] for block in blocks(folder) if block.kind == "output"}
    used = set(re.findall(r"tofu output (?:-raw )?([a-z]\w+)", path.read_text("utf-8")))
    assert used <= outputs


@every
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target
