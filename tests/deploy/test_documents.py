"""Do the pages of docs/deploy lead somewhere, and do their examples work as they stand there?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emailproxy.config import load
from tests.deploy.test_helm import objects, rendered

PAGES = sorted((Path(__file__).parents[2] / "docs" / "deploy").glob("*.md"))


def blocks(page: str, language: str) -> list[str]:
    """The page's code blocks in this language, without their indentation."""
    text = (Path(__file__).parents[2] / "docs" / "deploy" / page).read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_values_of_the_manual(tmp_path: Path) -> None:
    [values] = [block for block in blocks("kubernetes.md", "yaml") if block.startswith("# values.yaml")]
    (tmp_path / "values.yaml").write_text(values)
    assert objects(rendered(tmp_path / "values.yaml"), "Deployment")


def test_the_configuration_of_the_container(tmp_path: Path) -> None:
    [config] = [block for block in blocks("container.md", "ini") if block.startswith("# emailproxy.config")]
    text = "".join(line for line in config.splitlines(keepends=True) if "/etc/emailproxy/tls" not in line)
    (tmp_path / "emailproxy.config").write_text(text)
    assert [server.local_port for server in load(tmp_path / "emailproxy.config").servers] == [1993]


def test_the_image_has_the_ports_of_the_manual() -> None:
    containerfile = (Path(__file__).parents[2] / "infra" / "container" / "Containerfile").read_text()
    [ports] = re.findall(r"^EXPOSE (.*)$", containerfile, re.MULTILINE)
    [page] = [page for page in PAGES if page.stem == "container"]
    published = re.findall(r"--publish (?:[0-9.]+:)?[0-9]+:([0-9]+)", page.read_text())
    assert set(published) <= set(ports.split())
