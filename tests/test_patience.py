"""No limit that only keeps a test from hanging is shorter than a busy machine may need."""

from __future__ import annotations

import ast
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from . import patience
from .clocks import PatientClock
from .patience import eventually

TESTS = Path(__file__).parent
LEAST = 30.0
"""Seconds that a limit in real time has to have."""
BRIEF = "# brief: "
"""What a line says that has a reason to be shorter."""


def limits(tree: ast.AST, virtual: bool = False) -> Iterator[tuple[int, float]]:
    """The line and the seconds of every limit that is a number; a test with a clock of its own may have any."""
    for node in ast.iter_child_nodes(tree):
        inner = virtual
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
            inner = virtual or any("clock" in name for name in names)
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            values = [keyword.value for keyword in node.keywords if keyword.arg == "timeout"]
            if called == "fail_after" and not virtual:
                values += node.args[:1]
            elif called in ("wait", "join", "acquire"):
                values += [value for value in node.args[:1] if not isinstance(value, ast.Constant) or value.value != 0]
            elif called == "wait_for":
                values += node.args[1:2]
            for value in values:
                if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
                    yield node.lineno, value.value
        yield from limits(node, inner)


def test_every_limit_is_generous() -> None:
    short = []
    for path in sorted(TESTS.rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        source = path.read_text(encoding="utf-8")
        lines = source.splitlines()
        short += [
            f"{path.relative_to(TESTS)}:{number}: {lines[number - 1].strip()}"
            for number, seconds in limits(ast.parse(source))
            if seconds < LEAST and BRIEF not in lines[number - 1]
        ]
    assert not short, f"write HANG of tests.patience, or the reason behind {BRIEF!r}"


def test_a_short_one_is_found() -> None:
    source = """
async def test_x():
    with trio.fail_after(5):
        process.wait(10)
        event.wait()
        process.communicate(timeout=20)
        process.communicate(timeout=HANG)
async def test_y(autojump_clock):
    with trio.fail_after(1):
        said.wait_for("x", 3)
"""
    assert list(limits(ast.parse(source))) == [(3, 5), (4, 10), (6, 20), (10, 3)]


async def test_what_comes_is_waited_for_beside_virtual_time() -> None:
    come = threading.Event()
    threading.Timer(0.05, come.set).start()

    async def run() -> float:
        await eventually(come.is_set)
        return trio.current_time()

    assert await trio.to_thread.run_sync(lambda: trio.run(run, clock=PatientClock())) == 0


async def test_what_never_comes_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HANG", 0.02)
    began = time.monotonic()
    with pytest.raises(AssertionError, match="in vain"):
        await eventually(lambda: False)
    assert time.monotonic() - began >= 0.02
