"""Log lines for people and for machines, in a file that rotates and that only its owner reads."""

from __future__ import annotations

import ast
import json
import logging
import re
import socket
import stat
from pathlib import Path

import pytest

import emailproxy
from emailproxy.logs import CONTENT_LOGGER, LogError, set_up, toggle_debug
from emailproxy.logs import files as log_files

ROOT = Path(__file__).parents[2]


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(level="info", json_lines=False, target="stderr", content=False)
    logging.getLogger("emailproxy.session").info("hello %s", "world")
    logging.getLogger("emailproxy.session").debug("not this")
    logging.getLogger("some.library").info("nor this")
    line = capsys.readouterr().err
    assert line.endswith(" INFO    hello world\n")
    assert line.count("\n") == 1


def test_json_has_stable_fields_and_extras(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(level="info", json_lines=True, target="stderr", content=False)
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
    set_up(level="info", json_lines=True, target="stderr", content=False)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("emailproxy").exception("x")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "ZeroDivisionError" in json.loads(lines[0])["exception"]


def test_a_file_is_private_and_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "FILE_SIZE", 2_000)
    monkeypatch.setattr(log_files, "FILES", 3)
    path = tmp_path / "proxy.log"
    set_up(level="info", json_lines=False, target=str(path), content=False)
    for number in range(400):
        logging.getLogger("emailproxy").info("line %d", number)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["proxy.log", "proxy.log.1", "proxy.log.2", "proxy.log.3"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert "line 399" in path.read_text()
    assert all(file.stat().st_size <= 2_100 for file in files)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"No such file.*; choose a path that can be written"):
        set_up(level="info", json_lines=False, target=str(tmp_path / "no" / "such.log"), content=False)


def test_debug_is_toggled() -> None:
    set_up(level="warning", json_lines=False, target="stderr", content=False)
    assert toggle_debug("warning") is True
    assert logging.getLogger("emailproxy").level == logging.DEBUG
    assert toggle_debug("warning") is False
    assert logging.getLogger("emailproxy").level == logging.WARNING


def test_debug_from_the_start_is_toggled_off() -> None:
    set_up(level="debug", json_lines=False, target="stderr", content=False)
    assert toggle_debug("debug") is False
    assert logging.getLogger("emailproxy").level == logging.INFO
    assert toggle_debug("debug") is True


@pytest.mark.parametrize("content", [False, True])
def test_content_needs_its_own_switch(content: bool) -> None:
    set_up(level="debug", json_lines=False, target="stderr", content=content)
    assert logging.getLogger(CONTENT_LOGGER).isEnabledFor(logging.DEBUG) is content


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("syslog:/no/such/socket", "syslog:/no/such/socket: No such file or directory; write syslog:HOST:PORT"),
        ("syslog:localhost:much", "port much is no number"),
        ("syslog:no.such.host.invalid", "syslog:no.such.host.invalid: .*; write syslog:HOST:PORT"),
    ],
)
def test_nobody_is_there(target: str, said: str) -> None:
    with pytest.raises(LogError, match=said):
        set_up(level="info", json_lines=False, target=target, content=False)


@pytest.mark.parametrize("json_lines", [False, True])
def test_syslog_gets_text_or_json(brief_path: Path, json_lines: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(brief_path / "log"))
        set_up(level="info", json_lines=json_lines, target=f"syslog:{brief_path}/log", content=False)
        logging.getLogger("emailproxy.session").info("hello", extra={"account": "u@example.com"})
        said = daemon.recv(4096).decode().partition(": ")[2]
    assert (json.loads(said)["account"] == "u@example.com") if json_lines else (said == "hello")


LOGGING = {"debug", "info", "warning", "error", "log"}


def fields_in(function: ast.AST) -> set[str]:
    """The names that come as `extra` in this function: keys of dictionaries that are written there."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    extras = [
        keyword.value
        for call in calls
        for keyword in call.keywords
        if keyword.arg == "extra" and isinstance(call.func, ast.Attribute) and call.func.attr in LOGGING
    ]
    names = {extra.id for extra in extras if isinstance(extra, ast.Name)}
    dictionaries = [extra for extra in extras if isinstance(extra, ast.Dict)]
    found: set[str] = set()
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id in names and isinstance(node.value, ast.Dict):
            dictionaries.append(node.value)
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and target.value.id in names:
            assert isinstance(target.slice, ast.Constant)
            found.add(str(target.slice.value))
    return found | {str(key.value) for each in dictionaries for key in each.keys if isinstance(key, ast.Constant)}


def test_every_field_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs/logs.md").read_text(), re.MULTILINE))
    found: set[str] = set()
    for path in Path(emailproxy.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found |= fields_in(node)
    assert {"account", "ref", "octets_up", "user_code"} <= found
    assert found <= documented
    assert {"time", "level", "logger", "message", "exception"} <= documented
