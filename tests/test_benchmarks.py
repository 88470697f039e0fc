"""The benchmarks measure what they say; `tests.e2e.test_benchmarks` runs them from beginning to end."""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the benchmarks read Linux's /proc")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """The benchmarks belong to the repository, not to the installed package."""
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_cpu_time_is_that_of_the_process() -> None:
    from benchmarks.measure import cpu_seconds

    before, start = cpu_seconds(os.getpid()), time.process_time()
    burn(0.05)
    assert cpu_seconds(os.getpid()) - before == pytest.approx(time.process_time() - start, abs=0.005)


def test_cpu_time_has_living_and_dead_children() -> None:
    from benchmarks.measure import cpu_seconds, process_tree

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
    from benchmarks.measure import memory_kib, threads

    before = memory_kib(os.getpid())
    held = bytearray(os.urandom(1024)) * (32 * 1024)
    assert 31_000 < memory_kib(os.getpid()) - before < 40_000
    assert len(held) == 32 * 1024**2
    assert threads(os.getpid()) >= 1


def test_rounds_visit_every_row_and_begin_with_another() -> None:
    from benchmarks.client import Row
    from benchmarks.workloads import Result, interleaved

    rows = [Row(name, "127.0.0.1", 1, None, "token") for name in "abc"]
    order: list[str] = []

    def work(row: Row, result: Result) -> None:
        order.append(row.name)
        result.add("figure", len(order))

    results = interleaved(rows, 3, work)
    assert "".join(order) == "abcbcacab"
    assert [result.median("figure") for result in results] == [6, 4, 5]


def test_table_shows_ratios_to_stunnel() -> None:
    from benchmarks.client import Row
    from benchmarks.report import table
    from benchmarks.workloads import Result

    results = [
        Result(Row("emailproxy", "", 1, 1, "password"), {"CPU": [3.0, 1.0, 2.0], "wall": [1.0]}),
        Result(Row("peer", "", 1, None, "password"), {"CPU": [], "wall": [150.0]}),
        Result(Row("stunnel", "", 1, 1, "token"), {"CPU": [4.0], "wall": [100.0]}),
    ]
    lines = table("Title", results).splitlines()
    assert lines[0] == "Title"
    assert lines[3].split() == ["emailproxy", "2", "(0.50x)", "1", "(0.01x)"]
    assert lines[4].split() == ["peer", "-", "150", "(1.50x)"]
    assert lines[5].split() == ["stunnel", "4", "100"]
    assert "medians of 3 interleaved rounds" in lines[6]


def test_table_may_leave_ratios_out() -> None:
    from benchmarks.client import Row
    from benchmarks.report import table
    from benchmarks.workloads import Result

    results = [Result(Row(name, "", 1, 1, "password"), {"first": [4.0], "warm": [0.0]}) for name in ("aws", "gcp")]
    lines = table("Requests", results, ratios=False).splitlines()
    assert [line.split() for line in lines[3:]] == [["aws", "4", "0"], ["gcp", "4", "0"]]


def test_resident_memory_is_that_of_the_process_alone() -> None:
    from benchmarks.measure import resident_kib

    before = resident_kib(os.getpid())
    held = bytearray(os.urandom(1024)) * (32 * 1024)
    assert 31_000 < resident_kib(os.getpid()) - before < 40_000
    assert len(held) == 32 * 1024**2


def test_stores_are_measured_with_an_account_of_each_kind(tmp_path: Path) -> None:
    from benchmarks.processes import Upstream
    from benchmarks.stores import KINDS, configuration, user
    from emailproxy.config import load
    from emailproxy.config.model import RefreshTokens

    assert set(KINDS) == {kind.value for kind in RefreshTokens}
    upstream = Upstream(1, "127.0.0.1", 993, "http://127.0.0.1:1/token", "", "somebody", "id", "secret")
    path = tmp_path / "emailproxy.config"
    path.write_text(configuration(1993, upstream))
    config = load(path)
    assert {name: account.refresh_tokens.value for name, account in config.accounts.items()} == {
        user(kind): kind for kind in KINDS
    }


def test_requests_are_those_that_a_login_caused(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import stores
    from benchmarks.client import Row
    from benchmarks.workloads import Result

    reached = iter([3, 8])
    monkeypatch.setattr(stores, "_got", lambda url: {"GetSecret": next(reached)})
    monkeypatch.setattr(stores, "_login", lambda row, kind: None)
    monkeypatch.setattr(stores, "QUIET", 0)
    row = Row("aws", "", 1, None, "password")
    result = Result(row)
    stores._count(result, "warm", row, stores.Place("aws", "aws:a/", {}, "http://counts/"), "rotating")
    assert result.figures == {"warm": [5]}


def test_nothing_to_measure_is_said() -> None:
    command = [sys.executable, "-m", "benchmarks", "relay", "--no-emailproxy", "--no-stunnel"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "nothing to measure" in done.stderr


def test_a_process_that_does_not_start_is_explained(tmp_path: Path) -> None:
    from benchmarks import processes

    log = tmp_path / "log"
    with processes.started([sys.executable, "-c", "raise SystemExit('because')"], log) as process:
        process.wait()
        with pytest.raises(processes.CannotStartError, match="because"):
            processes.wait(process, log, lambda: False)


def test_mann_and_whitney_by_the_book() -> None:
    """Values by hand: U = 0, mean 12.5, standard deviation sqrt(25 / 12 * 11); with ties, its corrected one."""
    from benchmarks.difference import mann_whitney

    assert mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(0.012186, abs=1e-6)
    assert mann_whitney([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]) == pytest.approx(0.012186, abs=1e-6)
    assert mann_whitney([1, 1, 2, 2], [1, 1, 2, 2]) == 1.0
    assert mann_whitney([1, 1, 1], [1, 1, 1]) == 1.0
    # U = 0.5, mean 4.5, variance 9 / 12 * (7 - 18 / 30) = 4.8: (4 - 0.5) / 2.19089 = 1.59753 standard deviations.
    assert mann_whitney([1, 1, 2], [2, 3, 3]) == pytest.approx(0.110149, abs=1e-6)


def test_welch_by_the_book() -> None:
    from benchmarks.difference import welch

    assert welch([1, 2, 3], [1, 2, 3]) == 1.0
    # The difference of the means is 2, its standard error sqrt(1/3 + 1/3): 2.4495 standard deviations.
    assert welch([1, 2, 3], [3, 4, 5]) == pytest.approx(0.014306, abs=1e-6)
    assert welch([1, 1], [2, 2]) == 0.0
    assert welch([1, 1], [1, 1]) == 1.0


@pytest.mark.parametrize(("slower", "differs"), [(0.0, False), (3.0, True)])
def test_a_difference_of_milliseconds_is_seen_and_none_is_not(slower: float, differs: bool) -> None:
    import random

    from benchmarks.timing import Comparison, report

    source = random.Random(7)
    wrong = [1002 + source.gauss(0, 1) for _ in range(40)]
    unknown = [1002 + slower + source.gauss(0, 1) for _ in range(40)]
    comparisons = [Comparison("managed", "IMAP", wrong, unknown), Comparison("managed", "POP", wrong, wrong)]
    assert comparisons[0].differs(2) is differs
    assert not comparisons[1].differs(2)
    told = report(comparisons, as_json=False)
    assert ("a difference in managed IMAP (" in told) is differs
    assert ("no difference that time could tell" in told) is not differs
    assert '"protocol": "IMAP"' in report(comparisons, as_json=True)
