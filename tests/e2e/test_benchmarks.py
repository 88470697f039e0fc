"""The benchmarks run from beginning to end with tiny sizes, beside stunnel and in front of a given provider."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import processes

ROOT = Path(__file__).parents[2]
FIGURES = {
    "relay": {"down CPU s/GiB", "down MiB/s", "up CPU s/GiB", "up MiB/s"},
    "logins": {"in turn: CPU ms", "wall ms", "together: CPU ms"},
    "idle": {"KiB/session", "threads", "CPU s in 0.1 s"},
}


@dataclass(frozen=True)
class Figure:
    """One cell of the table."""

    median: float | None


def run(*arguments: str) -> str:
    sizes = ["--rounds", "1", "--mib", "2", "--count", "3", "--sessions", "5", "--seconds", "0.1"]
    command = [sys.executable, "-m", "benchmarks", *arguments, *sizes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def figures(output: str) -> dict[str, dict[str, dict[str, Figure]]]:
    """Benchmark -> row -> its figures."""
    decoder, found, rest = json.JSONDecoder(), {}, output.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found[document["benchmark"]] = {
            row["name"]: {name: Figure(values["median"]) for name, values in row["figures"].items()}
            for row in document["rows"]
        }
        rest = rest[end:].strip()
    return found


def test_all_benchmarks_of_our_proxy() -> None:
    found = figures(run("all", "--no-stunnel", "--json"))
    assert {name: set(rows["emailproxy"]) for name, rows in found.items()} == FIGURES


def test_all_benchmarks_beside_stunnel(program: Callable[[str], str]) -> None:
    program("stunnel")
    found = figures(run("all", "--json"))
    for rows in found.values():
        assert set(rows) == {"emailproxy", "stunnel"}
    assert "stunnel" in run("logins")


def test_a_peer_is_measured_in_front_of_a_given_provider(tmp_path: Path) -> None:
    with processes.provider(tmp_path, 2) as upstream, processes.emailproxy(upstream, tmp_path) as row:
        output = run(
            "logins", "--no-emailproxy", "--no-stunnel", "--json",
            "--provider-file", str(tmp_path / "provider.json"),
            "--peer", f"other=127.0.0.1:{row.port}", "--peer-pid", f"other={row.pid}",
            "--peer", f"unknown=127.0.0.1:{row.port}",
        )  # fmt: skip
    rows = figures(output)["logins"]
    assert rows["other"]["in turn: CPU ms"].median
    assert rows["unknown"]["in turn: CPU ms"].median is None
    assert rows["unknown"]["wall ms"].median


def test_timing_says_what_it_saw() -> None:
    """Two rounds are too few for a verdict to mean anything; that there is one, and whose, is what counts here."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "timing", "--rounds", "2"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    for kind in ("compatible", "managed"):
        for protocol in ("IMAP", "POP", "SMTP"):
            assert f"{kind} {protocol}" in done.stdout, done.stdout + done.stderr
    assert "Verdict: " in done.stdout
