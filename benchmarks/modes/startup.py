"""How long until it listens? Ours without a store and with each SDK, every peer, Python alone and trio."""

from __future__ import annotations

import contextlib
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers, stores
from benchmarks.client import Row
from benchmarks.figures import Result
from benchmarks.measure import cpu_seconds, resident_kib
from benchmarks.peers import ours
from benchmarks.processes import CannotStartError, inherited
from benchmarks.rounds import Progress, paired
from benchmarks.setting import Setting, Tables, scaled
from benchmarks.wire import Wire

SDKS = ("aws", "azure", "gcp")
WHEN = ("until it listens", "after that")
LISTENS = " listening on "
"""The log says so, for the first of its ports."""
QUIET, SETTLED = 0.5, 10.0
"""Seconds without a further import after which there are none to come; and how long that is awaited."""
MOST_PACKAGES, MOST_MODULES = 14, 20
"""Lines in the tables of imports: what is dearest."""

Begin = Callable[[Path], AbstractContextManager["Begun"]]
"""Starts something for the length of a block, in a folder of its own."""


@dataclass(frozen=True)
class Begun:
    """What has started: a process that runs and listens, or one that has ended and the CPU seconds that it took."""

    row: Row | None = None
    cpu: float | None = None


def measure(setting: Setting) -> Tables:
    """Starts in pairs, then what is imported."""
    _imports(setting, 1)  # so that everything is compiled
    with contextlib.ExitStack() as stack:
        things, missing = _things(setting, stack)
        rows = [Row(name, "", 0, None, "password") for name in things]
        numbers = iter(range(1_000_000))

        def work(row: Row, result: Result) -> None:
            folder = setting.place.folder / f"start-{next(numbers)}"
            folder.mkdir()
            begun = time.perf_counter()
            with things[row.name](folder) as started:
                result.add("ms to listening", (time.perf_counter() - begun) * 1000)
                if started.row is None or started.row.pid is None:
                    result.add("CPU ms to listening", scaled(started.cpu, 1000))
                    return
                result.add("CPU ms to listening", cpu_seconds(started.row.pid) * 1000)
                greeted(started.row)
                result.add("ms to the first greeting", (time.perf_counter() - begun) * 1000)
                result.add("CPU ms to the first greeting", cpu_seconds(started.row.pid) * 1000)
                result.add("MiB RSS then", resident_kib(started.row.pid) / 1024)

        results = paired("startup", rows, setting.sizes.starts, work)
    for name, why in missing.items():
        results[0].notes[name] = f"not measured: {why}"
    yield "Start of the process until it listens", results
    packages, modules = _imports(setting, setting.sizes.starts)
    yield "Imports of a start, by package, milliseconds", packages
    yield "Imports of a start, by module, without those that it imports, milliseconds", modules


def greeted(row: Row) -> None:
    """Wait for the greeting of a client that connects now: who listens may have much to load before it answers."""
    with Wire(row.host, row.port) as client:
        client.line()


def _things(setting: Setting, stack: contextlib.ExitStack) -> tuple[dict[str, Begin], dict[str, str]]:
    """What is started; ours first, as all ratios are of it. And what cannot be, with the reason."""
    names = [row.name for row in setting.rows if row.name in peers.PEERS]
    things: dict[str, Begin] = {}
    missing: dict[str, str] = {}
    if "emailproxy" in names:
        things["emailproxy"] = _ours(setting)
    things["import trio"] = _python(setting, "import trio")
    things["python alone"] = _python(setting, "pass")
    if "emailproxy" in names:
        for name in SDKS:
            try:
                place = stack.enter_context(stores.place(name, setting.place.folder))
            except CannotStartError as error:
                missing[f"with {name}"] = str(error).strip().rpartition("\n")[2]
            else:
                things[f"with {name}"] = _ours(setting, place)
    things |= {name: _peer(setting, name) for name in names if name != "emailproxy"}
    return things, missing


def _peer(setting: Setting, name: str) -> Begin:
    @contextlib.contextmanager
    def begin(folder: Path) -> Generator[Begun]:
        place = setting.place.within(folder)
        with peers.PEERS[name].start(setting.upstream, place) as row:
            yield Begun(row)

    return begin


def _ours(setting: Setting, store: stores.Place | None = None) -> Begin:
    @contextlib.contextmanager
    def begin(folder: Path) -> Generator[Begun]:
        place = setting.place.within(folder)
        words = [*ours.command(place), *(["--cache-store", store.address or ""] if store else [])]
        variables = store.variables if store else {}
        with ours.run("emailproxy", words, setting.upstream, place, variables=variables, served=False) as row:
            yield Begun(row)

    return begin


def _python(setting: Setting, code: str) -> Begin:
    @contextlib.contextmanager
    def begin(_folder: Path) -> Generator[Begun]:
        command = setting.place.pins.command([setting.place.python, "-c", code], row=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, env=inherited())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        yield Begun(cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    return begin


def _imports(setting: Setting, rounds: int) -> tuple[list[Result], list[Result]]:
    """Milliseconds of each package and of each module, the dearest first: until it listens, and after that."""
    tables = [[Result(Row(when, "", 0, None, "password")) for when in WHEN] for _ in range(2)]
    progress = Progress("startup, imports", rounds)
    for _ in range(rounds):
        progress.step("our proxy")
        for when, text in enumerate(_started_imports(setting)):
            for table, by_package in zip(tables, (True, False), strict=True):
                for name, seconds in imports(text, by_package=by_package).items():
                    table[when].add(name, seconds * 1000)
    progress.end()
    for table, most in zip(tables, (MOST_PACKAGES, MOST_MODULES), strict=True):
        names = {name for result in table for name in result.figures}
        dearest = sorted(names, key=lambda name: -sum(result.median(name) or 0 for result in table))[:most]
        for result in table:
            result.figures = {name: result.figures[name] for name in dearest if name in result.figures}
    return tables[0], tables[1]


def _started_imports(setting: Setting) -> tuple[str, str]:
    """What ``-X importtime`` wrote of one start of ours: before the first port accepts, and after."""
    with tempfile.TemporaryDirectory(dir=setting.place.folder) as folder:
        place = setting.place.within(Path(folder))
        python, *words = ours.command(place)
        log = place.folder / "emailproxy.log"
        with ours.run("emailproxy", [python, "-X", "importtime", *words], setting.upstream, place):
            size, deadline = -1, time.monotonic() + SETTLED
            while size != (size := log.stat().st_size) and time.monotonic() < deadline:
                time.sleep(QUIET)  # what it imports once it listens
        before, mark, after = log.read_text(errors="replace").partition(LISTENS)
    return before, mark + after


def imports(text: str, *, by_package: bool = True) -> Mapping[str, float]:
    """Seconds by top-level package or by module, from what ``-X importtime`` wrote."""
    found: dict[str, float] = {}
    for match in re.finditer(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", text, re.MULTILINE):
        name = match[2].partition(".")[0] if by_package else match[2]
        found[name] = found.get(name, 0.0) + int(match[1]) / 1e6
    return found
