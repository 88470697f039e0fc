"""What does the page consist of?"""

from __future__ import annotations

import re

from emailproxy.console.files import page_files


def test_the_page_is_there() -> None:
    files = page_files()
    assert files["/"].type == "text/html; charset=utf-8"
    assert {file.type.partition(";")[0] for file in files.values()} >= {"text/html", "text/javascript", "text/css"}
    assert all(re.fullmatch(r'"[0-9a-f]{32}"', file.tag) for file in files.values())


def test_nothing_of_the_program_is() -> None:
    for path, file in page_files().items():
        assert path.startswith("/")
        assert not path.endswith((".py", ".pyc"))
        assert ".." not in path
        assert b"from __future__" not in file.content
