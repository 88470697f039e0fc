"""What a person sees in a terminal and a program in a pipe, and what nothing from outside can do to either."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emailproxy.cli.amounts import amount, counted, span
from emailproxy.cli.live_view import view
from emailproxy.console.messages import Login
from emailproxy.remote.picture import Picture
from tests.remote.test_picture import NOTICE, SESSION, SNAPSHOT, told

from .support import file_store, record
from .test_accounts import ACCOUNT, SERVER


def in_terminal(*arguments: str | Path, **environment: str) -> str:
    """What a command writes to a terminal of 100 columns."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "emailproxy", *map(str, arguments)]
    added = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"} | environment
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=clean | added):
        os.close(theirs)
        said = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # EIO: the command has ended
                break
            if not data:
                break
            said += data
    os.close(ours)
    return said.decode()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "emailproxy.config"
    path.write_text(SERVER + "".join(ACCOUNT.format(name=name) for name in ("ada", "bob")))
    file_store(path, ada=record(), bob=record(refresh_token=None))
    return path


def test_colours_in_a_terminal(config: Path) -> None:
    said = in_terminal("--config-file", config, "accounts")
    assert "\x1b[32mok until" in said
    assert "\x1b[1;31mneeds consent" in said
    said = in_terminal("--config-file", config, "accounts", NO_COLOR="1")
    assert "\x1b[32m" not in said
    assert "needs consent" in said


def test_without_the_extra_it_is_plain(config: Path, tmp_path: Path) -> None:
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "rich.py").write_text("raise ImportError('not installed')\n")
    said = in_terminal("--config-file", config, "accounts", PYTHONPATH=str(tmp_path / "absent"))
    assert "needs consent" in said
    assert "\x1b" not in said


def screen(picture: Picture, *notes: str, height: int = 40, now: float = 12.0) -> str:
    from rich.console import Console

    console = Console(width=120, height=height, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    with console.file:
        console.print(view(picture, list(notes), height, now))
        return console.export_text()


def test_the_live_view() -> None:
    login = Login("bob", "c:2", "SMTP", "SMTP-1", "PLAIN", "temporary", 12.0, "7F3A")
    text = screen(told((1.0, SNAPSHOT), (2.0, login)), "connection lost: it went; coming back in 2 s")
    lines = text.splitlines()
    assert lines[0].startswith("connection lost: it went")
    assert lines[1].startswith("emailproxy 1: ready, up 11 s, process 1")
    assert "accounts: 1 account; need a person: ada" in text
    assert any(line.startswith("s1  IMAP-1    ada      c:1     11 s  100 B 0 B/s  200 B 0 B/s") for line in lines), text
    assert "00:00:02  bob      c:2     SMTP-1    temporary (ref 7F3A)  12" in text
    assert "00:00:01  warning  m" in text
    assert screen(Picture()).startswith("waiting for the proxy")


def test_a_small_terminal_and_much_to_say() -> None:
    from dataclasses import replace

    many = tuple(replace(SESSION, id=f"{number:08x}", account=f"user{number}") for number in range(10_000))
    begun = time.process_time()
    text = screen(told((1.0, replace(SNAPSHOT, sessions=many))), height=24)
    assert time.process_time() - begun < 2.0
    assert "sessions: 10,000" in text
    assert len(text.splitlines()) <= 24


def test_words_from_outside_stay_words() -> None:
    from dataclasses import replace

    nasty = replace(SESSION, account="[bold]eve[/bold]\x1b[2J\r\nforged")
    picture = told((1.0, replace(SNAPSHOT, sessions=(nasty,), notices=(replace(NOTICE, message="\x1b[31m[red]x"),))))
    text = screen(picture)
    assert "[bold]eve[/bold]?[2J  forged" in text
    assert "?[31m[red]x" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("octets", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (200 * 1024**2, "200 MiB"), (2**60, "1048576 TiB")],
)
def test_amounts(octets: int, said: str) -> None:
    assert amount(octets) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0 s"), (59.9, "59 s"), (60, "1 min"), (3600, "1 h 0 min"), (90_000, "1 d 1 h")]
)
def test_spans(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_counts() -> None:
    assert [counted(number, "account") for number in (0, 1, 2000)] == ["0 accounts", "1 account", "2,000 accounts"]
