"""A test that hangs fails, says where it hangs, and harms no other test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HANGING = """
import pytest, time, trio

brief = pytest.mark.timeout(0.1)

async def waits_in_vain():
    await trio.Event().wait()

@brief
async def test_hangs_in_a_task():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waits_in_vain)

@brief
async def test_never_sleeps():
    while True:
        await trio.sleep(0)

@brief
def test_hangs_without_trio():
    time.sleep(60)

async def test_good():
    await trio.sleep(0)

def test_good_without_trio():
    pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no alarm signal")
def test_hanging_tests_fail_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.time_limit import pytest_timeout_set_timer\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\ntimeout = 60\n")
    (tmp_path / "test_hanging.py").write_text(HANGING)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=50)
    assert "3 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    failed = {line.rpartition("::")[2].split()[0] for line in done.stdout.splitlines() if line.startswith("FAILED ")}
    assert failed == {"test_hangs_in_a_task", "test_never_sleeps", "test_hangs_without_trio"}
    assert "task test_hanging.waits_in_vain\n" in done.stdout
    assert "await trio.Event().wait()" in done.stdout
