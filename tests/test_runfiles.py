"""Do commands and the service find the same place?"""

from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.runfiles import run_file


def test_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    found = run_file(tmp_path / "mail.config", ".status", etc=tmp_path / "etc", run=tmp_path / "run")
    assert found == tmp_path / "mail.config.status"


def test_a_service_has_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    found = run_file(tmp_path / "etc" / "mail.config", ".status", etc=tmp_path / "etc", run=tmp_path / "run")
    assert found == tmp_path / "run" / "mail.config.status"


def test_the_folder_may_be_named_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("etc", "run"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "etc")
    found = run_file(Path("mail.config"), ".status", etc=tmp_path / "etc", run=tmp_path / "run")
    assert found == tmp_path / "run" / "mail.config.status"


def test_no_such_service(tmp_path: Path) -> None:
    found = run_file(tmp_path / "etc" / "mail.config", ".status", etc=tmp_path / "etc", run=tmp_path / "run")
    assert found == tmp_path / "etc" / "mail.config.status"
