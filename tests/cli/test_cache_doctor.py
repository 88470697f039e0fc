"""The doctor's findings as they are printed."""

from __future__ import annotations

from pathlib import Path

from emailproxy.cli import Exit
from emailproxy.store.doctor import Step
from emailproxy_backends.file import FileStore

from .support import file_store, record, run


def test_a_line_for_each_step(tmp_path: Path) -> None:
    file_store(tmp_path / "tokens", ada=record())
    before = FileStore(tmp_path / "tokens").accounts()
    code, out, err = run("cache", "doctor", tmp_path / "tokens")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"file:{tmp_path / 'tokens'}"
    assert [line.strip().startswith(step.value) for line, step in zip(lines[1:], Step, strict=False)] == [True] * 6
    assert lines[-1].endswith("can be used")
    assert FileStore(tmp_path / "tokens").accounts() == before


def test_what_stands_in_the_way(tmp_path: Path) -> None:
    code, out, _ = run("cache", "doctor", tmp_path / "no" / "tokens")
    assert code == Exit.FAILED
    assert "create a record         FAILED" in out
    assert "create its folder" in out
    assert out.splitlines()[-1].endswith("cannot be used like that")


def test_a_foreign_file_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(b"\xff\xfe not text")
    assert run("cache", "doctor", tmp_path / "tokens")[0] == Exit.FAILED
    assert (tmp_path / "tokens").read_bytes() == b"\xff\xfe not text"


def test_an_address_that_means_nothing() -> None:
    assert run("cache", "doctor", "nosuch:x")[0] == Exit.CONFIGURATION
