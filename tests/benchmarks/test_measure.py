"""What a process uses is what the benchmarks say it uses."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.measure import cpu_seconds, descriptors, memory_kib, process_tree, resident_kib, threads


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_cpu_time_is_that_of_the_process() -> None:
    before, start = cpu_seconds(os.getpid()), time.process_time()
    burn(0.05)
    assert cpu_seconds(os.getpid()) - before == pytest.approx(time.process_time() - start, abs=0.005)


def test_cpu_time_has_living_and_dead_children() -> None:
    code = "import time\nwhile time.process_time() < 0.15: pass\nprint('done', flush=True)\ninput()"
    before = cpu_seconds(os.getpid())
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"done\n"
        assert child.pid in process_tree(os.getpid())
        assert cpu_seconds(os.getpid()) - before >= 0.15
        child.communicate(b"\n")
    assert child.pid not in process_tree(os.getpid())
    assert cpu_seconds(os.getpid()) - before >= 0.13  # the dead are counted in ticks of 10 ms


def test_memory_is_seen() -> None:
    before = memory_kib(os.getpid())
    held = bytearray(os.urandom(1024)) * (128 * 1024)
    assert 120_000 < memory_kib(os.getpid()) - before < 145_000
    assert len(held) == 128 * 1024**2
    assert threads(os.getpid()) >= 1


def test_resident_memory_is_that_of_the_process_alone() -> None:
    before = resident_kib(os.getpid())
    held = bytearray(os.urandom(1024)) * (128 * 1024)
    assert 120_000 < resident_kib(os.getpid()) - before < 145_000
    assert len(held) == 128 * 1024**2


def test_open_files_are_counted() -> None:
    before = descriptors(os.getpid())
    reading, writing = os.pipe()
    assert descriptors(os.getpid()) == before + 2
    os.close(reading)
    os.close(writing)
