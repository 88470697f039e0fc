"""Is the page whole, wherever the package is installed, and does it keep to what its policy allows?"""

from __future__ import annotations

import posixpath
import re

import pytest

from emailproxy.console.files import page_files

PAGE = {"/index.html" if path == "/" else path: file.content.decode() for path, file in page_files().items()}
REFERENCES = re.compile(r"""(?:href|src)="([^"#]+)"|(?:from |import ?\(?)'(\.[^']+)'""")
OURS = {"http://www.w3.org/2000/svg", "http://localhost/?code=…"}
"""A namespace and an example; neither is loaded."""


def test_it_has_what_it_refers_to() -> None:
    """From index.html everything is reached, and nothing is missing or left over."""
    reached, to_read = {"/index.html"}, ["/index.html"]
    while to_read:
        path = to_read.pop()
        for match in REFERENCES.finditer(PAGE[path]):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1] or match[2]))
            assert target in PAGE, f"{path} refers to {target}"
            if target not in reached:
                reached.add(target)
                to_read.append(target)
    assert reached == set(PAGE)


@pytest.mark.parametrize("path", sorted(PAGE))
def test_nothing_from_elsewhere(path: str) -> None:
    """No address of another server, no HTML made of text, nothing that the policy would refuse."""
    text = PAGE[path]
    assert set(re.findall(r"https?://[^\s'\"`)]+", text)) <= OURS
    if path.endswith((".js", ".html")):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    if path.endswith(".html"):
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", text)
