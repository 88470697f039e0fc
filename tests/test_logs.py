"""Log lines for people and for machines, in a file that rotates and that only its owner reads."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailproxy import logs
from emailproxy.logs import CONTENT_LOGGER, set_up, toggle_debug


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, ours, content = (logging.getLogger(name) for name in (None, "emailproxy", CONTENT_LOGGER))
    before = root.handlers[:], root.level, ours.level, content.level
    yield
    for handler in root.handlers:
        if handler not in before[0]:
            handler.close()
    root.handlers[:] = before[0]
    for logger, level in zip((root, ours, content), before[1:], strict=True):
        logger.setLevel(level)


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(level="info", json_lines=False, file=None, content=False)
    logging.getLogger("emailproxy.session").info("hello %s", "world")
    logging.getLogger("emailproxy.session").debug("not this")
    logging.getLogger("some.library").info("nor this")
    line = capsys.readouterr().err
    assert line.endswith(" INFO    hello world\n")
    assert line.count("\n") == 1


def test_json_has_stable_fields_and_extras(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(level="info", json_lines=True, file=None, content=False)
    logging.getLogger("emailproxy.session").warning("a\nb", extra={"account": "u@example.com", "path": Path("/x")})
    record = json.loads(capsys.readouterr().err)
    assert record.pop("time").endswith("+00:00")
    assert record == {
        "level": "warning",
        "logger": "emailproxy.session",
        "message": "a\nb",
        "account": "u@example.com",
        "path": "/x",
    }


def test_json_keeps_the_traceback_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(level="info", json_lines=True, file=None, content=False)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("emailproxy").exception("x")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "ZeroDivisionError" in json.loads(lines[0])["exception"]


def test_a_file_is_private_and_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_SIZE", 2_000)
    monkeypatch.setattr(logs, "FILES", 3)
    path = tmp_path / "proxy.log"
    set_up(level="info", json_lines=False, file=path, content=False)
    for number in range(400):
        logging.getLogger("emailproxy").info("line %d", number)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["proxy.log", "proxy.log.1", "proxy.log.2", "proxy.log.3"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert "line 399" in path.read_text()
    assert all(file.stat().st_size <= 2_100 for file in files)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        set_up(level="info", json_lines=False, file=tmp_path / "no" / "such.log", content=False)


def test_debug_is_toggled() -> None:
    set_up(level="warning", json_lines=False, file=None, content=False)
    assert toggle_debug("warning") is True
    assert logging.getLogger("emailproxy").level == logging.DEBUG
    assert toggle_debug("warning") is False
    assert logging.getLogger("emailproxy").level == logging.WARNING


def test_debug_from_the_start_is_toggled_off() -> None:
    set_up(level="debug", json_lines=False, file=None, content=False)
    assert toggle_debug("debug") is False
    assert logging.getLogger("emailproxy").level == logging.INFO
    assert toggle_debug("debug") is True


@pytest.mark.parametrize("content", [False, True])
def test_content_needs_its_own_switch(content: bool) -> None:
    set_up(level="debug", json_lines=False, file=None, content=content)
    assert logging.getLogger(CONTENT_LOGGER).isEnabledFor(logging.DEBUG) is content
