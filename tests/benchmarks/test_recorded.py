"""A run's JSON is read back as it was written."""

import json
from pathlib import Path

import pytest

from benchmarks.client import Row
from benchmarks.figures import Result
from benchmarks.recorded import Figure, Recorded
from benchmarks.report import document


def written(folder: Path, mode: str, value: float) -> Path:
    first = Result(Row("emailproxy", "", 1, 1, "password"), {"CPU": [value]})
    other = Result(Row("nginx", "", 1, 1, "token"), {"CPU": [4.0], "none": []}, {"CPU": [0.5, 0.25, 0.75]})
    file = folder / f"{mode}.json"
    file.write_text(json.dumps(document(mode, {f"Title of {mode}": [first, other]}, {"cores": 2})))
    return file


def test_figures_are_found_by_mode_table_and_row(tmp_path: Path) -> None:
    run = Recorded.read([written(tmp_path, "relay", 2.0), written(tmp_path, "idle", 3.0)])
    assert run.figure("idle", "^Title", "emailproxy", "CPU") == Figure(3.0)
    assert run.figure("relay", "relay$", "nginx", "CPU") == Figure(4.0, None, 0.5, (0.5, 0.25, 0.75))
    assert run.rows("relay", "Title") == ["emailproxy", "nginx"]
    for mode, table, row, figure in (
        ("mixed", "Title", "nginx", "CPU"), ("relay", "Other", "nginx", "CPU"), ("relay", "Title", "x", "CPU"),
        ("relay", "Title", "nginx", "x"), ("relay", "Title", "nginx", "none"),
    ):  # fmt: skip
        assert run.figure(mode, table, row, figure) is None


def test_all_of_it_can_be_one_file_and_a_folder_is_its_files(tmp_path: Path) -> None:
    written(tmp_path, "relay", 2.0)
    written(tmp_path, "idle", 3.0)
    both = Recorded.read([tmp_path])
    together = tmp_path / "elsewhere" / "all.json"
    together.parent.mkdir()
    together.write_text(both.together())
    assert set(Recorded.read([together]).documents) == set(both.documents) == {"relay", "idle"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"benchmark": "all"}'])
def test_what_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "some.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"some\.json is not the JSON of a benchmark"):
        Recorded.read([file])
