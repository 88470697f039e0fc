"""Processes of a benchmark start, or say why not."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.peers import PEERS
from benchmarks.pinning import Pins

from .conftest import ROOT


def test_nothing_to_measure_is_said() -> None:
    without = [word for name in PEERS for word in ("--without", name)]
    command = [sys.executable, "-m", "benchmarks", "relay", *without]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "nothing to measure" in done.stderr


def test_a_process_that_does_not_start_is_explained(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with processes.started([sys.executable, "-c", "raise SystemExit('because')"], log) as process:
        process.wait()
        with pytest.raises(processes.CannotStartError, match="because"):
            processes.wait(process, log, lambda: False)


def test_a_row_has_a_processor_to_itself() -> None:
    pins = Pins.of({4, 2, 7})
    assert pins == Pins(row=(7,), rest=(2, 4))
    assert pins.command(["true"], row=True) == ["taskset", "--cpu-list", "7", "true"]
    assert pins.command(["true"], row=False) == ["taskset", "--cpu-list", "2,4", "true"]


def test_nothing_is_pinned_on_one_processor() -> None:
    pins = Pins.of({0})
    assert pins.command(["true"], row=True) == ["true"]
    assert str(pins) == "nothing is pinned"


def test_a_pinned_process_keeps_its_id_and_runs_where_it_should(tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    code = "import os, time; print(os.getpid(), *os.sched_getaffinity(0), flush=True); time.sleep(60)"
    log = tmp_path / "log"
    with processes.started(Pins((cpu,), ()).command([sys.executable, "-c", code], row=True), log) as process:
        processes.wait(process, log, lambda: log.read_text().endswith("\n"))
        assert log.read_text().split() == [str(process.pid), str(cpu)]


def test_a_peer_that_is_not_there_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peers.base.shutil.which", lambda *_arguments, **_options: None)
    monkeypatch.delenv("EMAILPROXY_CLASSIC", raising=False)
    needs = {name: peer.missing() for name, peer in PEERS.items()}
    assert needs.pop("emailproxy") is None
    assert all(needs.values())


def test_who_accepts_need_not_serve() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]

        def serve(words: bytes) -> None:
            client, _ = sock.accept()
            client.sendall(words)
            client.close()

        for words in (b"", b"* OK\r\n"):
            thread = threading.Thread(target=serve, args=(words,))
            thread.start()
            assert processes.greets(port) == bool(words)
            thread.join()
    assert not processes.greets(port)
