from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.terraform.pictures import FOLDER, drawn

TEXT = """\
# A comment.
group 1,0 1,0 A <group>
box one 0,0 One | words & more
box two 1,0 Two
box three 1,1 Three
arrow one two says|twice
arrow two three down
"""


def test_a_picture_has_its_words_and_nothing_that_runs() -> None:
    root = ET.fromstring(drawn(TEXT))
    words = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(words) == {"A <group>", "One", "words & more", "Two", "Three", "says", "twice", "down"}
    kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert kinds == {"svg", "style", "rect", "path", "polygon", "text"}


def test_it_is_readable_in_the_dark() -> None:
    assert "prefers-color-scheme: dark" in drawn(TEXT)


@pytest.mark.parametrize(
    ("line", "words"),
    [("circle one 0,0 One", "line 8 is no box"), ("arrow one four says", "no box four")],
    ids=["kind", "arrow"],
)
def test_what_is_not_understood_is_refused(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        drawn(f"{TEXT}{line}\n")


@pytest.mark.parametrize("source", sorted(FOLDER.glob("*.picture")), ids=lambda path: path.stem)
def test_the_pictures_are_drawn_from_todays_text(source: Path) -> None:
    assert source.with_suffix(".svg").read_text("utf-8") == drawn(source.read_text("utf-8")), (
        "run python -m tests.terraform.pictures"
    )
    assert f"({source.stem}.svg)" in source.with_suffix(".md").read_text("utf-8")
