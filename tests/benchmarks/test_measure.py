"""What a process uses is what the benchmarks say it uses."""

import os
import subprocess
import sys
import threading
import time

import pytest

from benchmarks.measure import (
    cpu_seconds,
    descriptors,
    ended,
    memory_kib,
    own_memory_kib,
    process_tree,
    resident_kib,
    threads,
)


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


def test_threads_that_end_meanwhile_do_no_harm() -> None:
    """A peer with a thread for each session loses some between the listing and the reading."""
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            thread = threading.Thread(target=lambda: None)
            thread.start()
            thread.join()

    coming = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in coming:
        thread.start()
    try:
        for _ in range(300):
            assert process_tree(os.getpid())[0] == os.getpid()
    finally:
        over.set()
        for thread in coming:
            thread.join()


def test_memory_is_seen() -> None:
    before = memory_kib(os.getpid())
    held = bytearray(os.urandom(1024)) * (128 * 1024)
    assert 120_000 < memory_kib(os.getpid()) - before < 145_000
    assert len(held) == 128 * 1024**2
    assert threads(os.getpid()) >= 1


def test_memory_of_its_own_is_part_of_it_and_grows_alike() -> None:
    before = own_memory_kib(os.getpid())
    assert before < memory_kib(os.getpid())
    held = bytearray(os.urandom(1024) * 32 * 1024)
    assert 31_000 < own_memory_kib(os.getpid()) - before < 40_000
    del held


def test_a_process_has_ended_before_its_parent_asks() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not ended(process.pid)
        assert process.stdin is not None
        process.stdin.close()
        while not ended(process.pid):
            os.sched_yield()
        assert process.returncode is None
    assert ended(process.pid)


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
