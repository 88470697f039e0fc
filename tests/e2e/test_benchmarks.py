"""The benchmarks measure a proxy that runs already; ``nox -s bench-smoke`` runs all of them from beginning to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import peers, processes

ROOT = Path(__file__).parents[2]


def test_a_peer_is_measured_in_front_of_a_given_provider(tmp_path: Path) -> None:
    place = processes.Place(tmp_path)
    with processes.provider(tmp_path, 2) as upstream, peers.PEERS["emailproxy"].start(upstream, place) as row:
        command = [
            sys.executable, "-m", "benchmarks", "idle", "--smoke", "--json", "--output", str(tmp_path / "results"),
            *(word for name in peers.PEERS for word in ("--without", name)),
            "--provider-file", str(tmp_path / "provider.json"),
            "--peer", f"other=127.0.0.1:{row.port}", "--peer-pid", f"other={row.pid}",
            "--peer", f"unknown=127.0.0.1:{row.port}",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for one in json.loads(done.stdout)["tables"]:
        other, unknown = (row["figures"] for row in one["rows"])
        assert other["KiB/session"]["median"]
        assert "KiB/session" not in unknown
        assert unknown["s to take them in"]["median"]
    assert (tmp_path / "results" / "idle.json").exists()
    assert (tmp_path / "results" / "idle-memory.svg").read_text().startswith("<svg")


def test_timing_says_what_it_saw() -> None:
    """Two rounds are too few for a verdict to mean anything; that there is one, and on what, is what counts here."""
    command = [sys.executable, "-m", "benchmarks", "timing", "--smoke"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    for kind in ("compatible", "managed"):
        for protocol in ("IMAP", "POP", "SMTP"):
            assert f"{kind} {protocol}" in done.stdout, done.stdout + done.stderr
    assert "Verdict: " in done.stdout
