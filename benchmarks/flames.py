"""Where does the time of ours go? A flame graph for each scenario, drawn by py-spy, apart from what is measured.

A profiler slows what it looks at, so it looks at the same work done once more, after a mode's figures are taken.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.client import PROTOCOLS, Protocol, Row
from benchmarks.figures import Result
from benchmarks.flamegraph import drawn
from benchmarks.measure import ended, process_tree
from benchmarks.modes import idle, logins, mixed, relay, startup
from benchmarks.peers import ours
from benchmarks.peers.base import found
from benchmarks.rounds import FAILURES
from benchmarks.setting import Setting

__all__ = ["MISSING", "Drawn", "of", "scenarios"]

RATE = 250
"""Samples a second: every 4 ms, and a scenario lasts seconds."""
START_RATE = 1000
"""Of a start, which takes half a second."""
READY = "Sampling process"
LIMIT = 60.0
"""Seconds for the profiler to begin, or to write what it has seen."""
CROWD = 1000
"""idle: sessions that come while it looks."""
MINUTES = 0.25
"""mixed: how much of a day it looks at."""
FORM = ("--format", "raw", "--function")
"""Stacks, which `benchmarks.flamegraph` draws: the profiler's own picture shows nothing but addresses for half of C."""
TITLES = {
    "relay-down": "relay, down, one session",
    "relay-up": "relay, up, one session",
    "relay-many-sessions": "relay, many sessions",
    "logins-imap": "repeated IMAP logins",
    "logins-pop3": "repeated POP3 logins",
    "logins-smtp": "repeated SMTP logins",
    "idle-growth": "sessions that come, idle and leave",
    "mixed": "an office's day",
    "startup": "from the start until it greets, and the stop",
}
MISSING = "py-spy is not installed: pip install py-spy, or the dependency group profile"

Scenario = Callable[[Setting, Row], None]


@dataclass(frozen=True)
class Drawn:
    """One flame graph, or why there is none."""

    name: str
    file: Path | None
    why: str = ""

    def __str__(self) -> str:
        return f"flame graph of {self.name}: {self.file or self.why}"


def scenarios(mode: str) -> Mapping[str, Scenario]:
    """What is looked at in a mode, by the name of its file."""
    if mode == "relay":
        return {
            "relay-down": lambda setting, row: _relay(setting, row, 1, ("down",)),
            "relay-up": lambda setting, row: _relay(setting, row, 1, ("up",)),
            "relay-many-sessions": lambda setting, row: _relay(setting, row, setting.sizes.crowd, ("down", "up")),
        }
    if mode == "logins":
        return {f"logins-{protocol}": _logins(protocol) for protocol in PROTOCOLS}
    if mode == "idle":
        return {"idle-growth": _idle}
    if mode == "mixed":
        return {"mixed": lambda setting, row: mixed.day(setting, row, Result(row), MINUTES)}
    return {}


def profiler() -> str | None:
    """Where py-spy is: on the path, or beside this interpreter."""
    return found("py-spy") or shutil.which(str(Path(sys.executable).with_name("py-spy")))


def of(mode: str, setting: Setting, output: Path) -> Iterator[Drawn]:
    """Draw the flame graphs of a mode into `output`; one that cannot be drawn says why."""
    names = [*scenarios(mode), *(["startup"] if mode == "startup" else [])]
    if not names:
        return
    program = profiler()
    row = next((row for row in setting.rows if row.name == ours.OURS.name), None)
    if program is None or row is None or row.pid is None:
        yield Drawn(mode, None, MISSING if program is None else "ours is not among the rows")
        return
    for name in names:
        picture = output.resolve() / f"flame-{name}.svg"
        file = setting.place.folder / f"flame-{name}.txt"
        try:
            if name == "startup":
                _start(program, setting, file)
            else:
                with _looking(program, row.pid, file, setting):
                    scenarios(mode)[name](setting, row)
        except FAILURES as error:
            yield Drawn(name, None, f"{type(error).__name__}: {error}")
        else:
            if not (file.exists() and (seen := file.read_text()).strip()):
                yield Drawn(name, None, "the profiler saw nothing")
                continue
            picture.write_text(drawn(f"emailproxy, {TITLES[name]}", seen))
            yield Drawn(name, picture)


@contextlib.contextmanager
def _looking(program: str, pid: int, file: Path, setting: Setting) -> Generator[None]:
    """Sample a process for the length of a block, with the frames of C where the profiler can tell them.

    Raises:
        RuntimeError: the profiler may not, or cannot.
    """
    process, said = _attached(program, pid, file, setting, "--native")
    if process is None:  # not on every machine
        process, said = _attached(program, pid, file, setting)
    if process is None:
        raise RuntimeError(
            f"py-spy could not look into process {pid}: {said.strip() or 'it said nothing'} (it needs the right to"
            " trace: root, CAP_SYS_PTRACE, or kernel.yama.ptrace_scope=0)"
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(LIMIT)


def _attached(
    program: str, pid: int, file: Path, setting: Setting, *options: str
) -> tuple[subprocess.Popen[bytes] | None, str]:
    log = setting.place.folder / "py-spy.log"
    command = [program, "record", "--pid", str(pid), "--output", str(file), *FORM, "--rate", str(RATE), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            setting.place.pins.command(command, row=False), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    deadline = time.monotonic() + LIMIT
    while READY not in (said := log.read_text(errors="replace")):
        if process.poll() is not None:
            return None, said
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            return None, said
        time.sleep(0.01)
    return process, said


def _start(program: str, setting: Setting, file: Path) -> None:
    """The profiler starts the proxy itself, and ends when the proxy does."""
    folder = setting.place.folder / "flame-startup"
    folder.mkdir(exist_ok=True)
    place = setting.place.within(folder)
    words = [program, "record", "--output", str(file), *FORM, "--rate", str(START_RATE), "--"]
    with ours.run("emailproxy", [*words, *ours.command(place)], setting.upstream, place) as row:
        assert row.pid is not None
        startup.greeted(row)
        for child in process_tree(row.pid)[1:]:
            os.kill(child, signal.SIGTERM)
        deadline = time.monotonic() + LIMIT
        while not ended(row.pid) and time.monotonic() < deadline:
            time.sleep(0.01)


def _relay(setting: Setting, row: Row, sessions: int, directions: tuple[str, ...]) -> None:
    work = relay.bulk(setting, "profiled", sessions, directions=directions)
    for _ in range(setting.sizes.rounds):
        work(row, Result(row))


def _logins(protocol: Protocol) -> Scenario:
    def work(setting: Setting, row: Row) -> None:
        for _ in range(setting.sizes.rounds):
            logins.in_turn(setting, row, Result(row), protocol, "profiled")

    return work


def _idle(setting: Setting, row: Row) -> None:
    seconds = min(1.0, setting.sizes.idle_seconds)
    some = replace(setting, sizes=replace(setting.sizes, idle_seconds=seconds))
    idle.crowd(some, min(CROWD, max(setting.sizes.idle)), row, Result(row))
