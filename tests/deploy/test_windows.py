"""Is what Windows would be given well-formed, and does it say the same in both files? Nothing runs it here."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import tree_sitter
import tree_sitter_powershell

FOLDER = Path(__file__).parents[2] / "infra" / "windows"
SCRIPT = (FOLDER / "install.ps1").read_text(encoding="utf-8")
SERVICE = ET.parse(FOLDER / "emailproxy.xml").getroot()


def mistakes(script: str) -> list[int]:
    """The lines that PowerShell's grammar does not have."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    found = []
    nodes = [parser.parse(script.encode()).root_node]
    while nodes:
        node = nodes.pop()
        if node.is_error or node.is_missing:
            found.append(node.start_point[0] + 1)
        nodes += node.children
    return found


def test_the_script_is_powershell() -> None:
    assert mistakes(SCRIPT) == []
    assert mistakes(SCRIPT.replace("if ($Config) {", "if ($Config {")) != []


def test_the_service_runs_as_its_own_user() -> None:
    user = SERVICE.findtext("serviceaccount/username")
    assert user == rf"NT SERVICE\{SERVICE.findtext('id')}"
    # The script grants that user what it needs, and nobody a password.
    assert user in SCRIPT
    assert SERVICE.find("serviceaccount/password") is None


def test_the_drain_has_its_time() -> None:
    found = re.fullmatch(r"(\d+) sec", SERVICE.findtext("stoptimeout", ""))
    assert found is not None
    assert int(found[1]) >= 30 + 10


def test_the_script_changes_a_variable_that_is_there() -> None:
    [name] = re.findall(r"\$_\.name -eq '(\w+)'", SCRIPT)
    names = {variable.get("name") for variable in SERVICE.iter("env")}
    assert name in names
    assert f"%{name}%" in SERVICE.findtext("arguments", "")
