"""How does a run go? Rows are started, one mode after the other measures them; what fails loses nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from benchmarks import flames, peers, processes, report, stores, timing
from benchmarks.client import Row
from benchmarks.estimate import Forecast
from benchmarks.figures import Result
from benchmarks.measure import raise_file_limit
from benchmarks.modes import MODES
from benchmarks.outcome import Outcome
from benchmarks.peers.ours import OURS
from benchmarks.pinning import Pins, pin_here
from benchmarks.rounds import FAILURES, duration
from benchmarks.setting import Setting
from benchmarks.sizes import FULL, QUICK, SMOKE, Sizes
from benchmarks.witness import Witness

__all__ = ["RUNS", "changed", "command"]

SDKS = ("aws", "azure", "gcp")
RUNS: Mapping[str, str] = {
    "relay": "CPU seconds per GiB, throughput, and what is added to small round trips.",
    "logins": "CPU milliseconds and times of logins: repeated, with new tokens, without TLS resumption, first.",
    "idle": "Memory and CPU of sessions that wait.",
    "mixed": "An office's day in minutes: is the memory flat, is a file left open?",
    "accounts": "With up to 100,000 accounts, and 10,000 records in the store.",
    "startup": "From the start of the process until it listens, and what is imported.",
    "consent": "What a person's consent costs.",
    "all": "All of these, one after the other.",
    "stores": "What a store in a secret manager costs; not part of all.",
    "timing": "Whether the time of a refusal tells who has an account; not part of all.",
}
"""What can be run, and what it says of itself."""


def command(name: str) -> click.Command:
    """The command that runs this."""
    return click.Command(
        name,
        callback=lambda **options: _run(name, **options),
        params=list(_options.params),
        help=f"{RUNS[name]} What each row and figure means: benchmarks/README.md.",
        short_help=RUNS[name],
    )


@click.command()
@click.option(
    "--only", "only", multiple=True, metavar="NAME", help="Measure these rows.  [default: all that are found]"
)
@click.option("--without", multiple=True, metavar="NAME", help="Leave these rows out.")
@click.option(
    "--python", metavar="PATH", default=sys.executable, help="Run our proxy with this interpreter.  [default: this one]"
)
@click.option(
    "--peer",
    "others",
    multiple=True,
    metavar="NAME=HOST:PORT",
    help="Measure another proxy that runs already (IMAP), in front of the provider of --provider-file.",
)
@click.option("--peer-pid", "pids", multiple=True, metavar="NAME=PID", help="Its process, for CPU and memory.")
@click.option(
    "--peer-token", "tunnels", multiple=True, metavar="NAME", help="This peer is a tunnel: log in with XOAUTH2."
)
@click.option(
    "--provider-file",
    type=click.Path(path_type=Path, exists=True),
    help="Port file of a provider that runs already (python -m emailproxy.testing.provider --port-file FILE"
    " --bulk-mib 64), for peers that must know its ports.",
)
@click.option("--quick", "size", flag_value="quick", help="A tenth of everything: to see that it works.")
@click.option("--smoke", "size", flag_value="smoke", help="As little as there is, and the ratios must be sane.")
@click.option(
    "--set", "settings", multiple=True, metavar="SIZE=NUMBER", help="Another size, e.g. rounds=9 or idle=100,500."
)
@click.option(
    "--sdk", "sdks", multiple=True, type=click.Choice(SDKS), help="stores: with which; may be repeated.  [default: all]"
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("benchmark-results"),
    show_default=True,
    help="Where the JSON files and plots go.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the JSON, every round's value, instead of the tables.")
@click.option(
    "--profile",
    is_flag=True,
    help="Also draw a flame graph of ours for each scenario (needs py-spy, the group profile).",
)
@click.option("--pin/--no-pin", default=True, help="Give the measured row a processor of its own.")
def _options(**_options: object) -> None:
    """What every run can be told."""


def _run(
    which: str,
    *,
    only: tuple[str, ...],
    without: tuple[str, ...],
    python: str,
    others: tuple[str, ...],
    pids: tuple[str, ...],
    tunnels: tuple[str, ...],
    provider_file: Path | None,
    size: str | None,
    settings: tuple[str, ...],
    sdks: tuple[str, ...],
    output: Path,
    as_json: bool,
    profile: bool,
    pin: bool,
) -> None:
    raise_file_limit()
    sizes = changed({None: FULL, "quick": QUICK, "smoke": SMOKE}[size], settings)
    about = report.machine(python)
    if which == "stores":
        _stores(sdks or SDKS, python, rounds=1 if size else sizes.rounds, as_json=as_json, about=about)
        return
    if which == "timing":
        _timing(sizes.refusals, as_json=as_json)
        return
    pins = Pins.of(processes.available()) if pin else Pins()
    pin_here(pins)
    outcome = Outcome(output, about | {"pinning": str(pins)}, as_json=as_json, together=which == "all")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emailproxy-benchmark-")))
        place = processes.Place(folder, pins, python)
        try:
            if provider_file is not None:
                upstream = processes.Upstream.from_file(provider_file)
            else:
                upstream = stack.enter_context(processes.provider(folder, 64, pins=pins))
            given = _given(others, pids, tunnels)
            names, missing = _chosen(only, without)
        except processes.CannotStartError as error:
            raise click.ClickException(str(error)) from None
        rows = []
        for name in names:
            try:
                rows.append(stack.enter_context(peers.PEERS[name].start(upstream, place)))
            except FAILURES as error:
                if name == OURS.name:
                    raise click.ClickException(str(error)) from None  # there would be nothing to compare
                outcome.failed(name, error)
        rows += given
        if not rows:
            raise click.UsageError("nothing to measure")
        outcome.begin(missing)
        modes = [*MODES] if which == "all" else [which]
        forecast = Forecast(modes, sizes, [row.name for row in rows])
        for mode in modes:
            witness = Witness(upstream.pid, together=len(pins.rest) == 1)
            setting = Setting(rows, upstream, upstream.account(), place, sizes, witness)
            click.echo(f"{mode}: about {duration(forecast.left)} left of {which}", err=True)
            begun, measured = time.monotonic(), dict[str, list[Result]]()
            try:
                for title, results in MODES[mode](setting):
                    measured[title] = results
            except FAILURES as error:
                # What the other modes measure, and this one has until now, is not lost.
                outcome.failed(mode, error, _logs(folder))
            if measured:
                outcome.add(mode, measured, witness)
            if profile:
                output.mkdir(parents=True, exist_ok=True)
                outcome.profiled(flames.of(mode, setting, output))
            forecast.took(mode, time.monotonic() - begun)
    if not outcome.end(check=size == "smoke"):
        sys.exit(1)


def _end(lines: list[str]) -> list[str]:
    """The last lines, and before them the last that complain."""
    complaints = [line for line in lines[:-5] if re.search(r"WARN|ERROR|Traceback", line)]
    return complaints[-5:] + lines[-5:]


def _logs(folder: Path) -> str:
    """The end of what each process has written."""
    ends = {path.name: _end(path.read_text(errors="replace").splitlines()) for path in sorted(folder.glob("*.log"))}
    return "\n".join(f"{name}: {line}" for name, end in ends.items() for line in end)


def _timing(rounds: int, *, as_json: bool) -> None:
    """Whether the time of a refusal tells who has an account; status 1 if it does."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emailproxy-benchmark-")))
        upstream = stack.enter_context(processes.provider(folder, 1))
        try:
            targets = stack.enter_context(timing.proxies(upstream, folder))
        except processes.CannotStartError as error:
            raise click.ClickException(str(error)) from None
        comparisons = timing.measure(targets, rounds=rounds)
    click.echo(timing.report(comparisons, as_json=as_json))
    if any(each.differs(len(comparisons)) for each in comparisons):
        sys.exit(1)


def changed(sizes: Sizes, settings: Sequence[str]) -> Sizes:
    """Sizes with these changed, each ``NAME=NUMBER`` or ``NAME=NUMBER,NUMBER``."""
    for text in settings:
        name, _, value = text.partition("=")
        old = getattr(sizes, name, None)
        try:
            if isinstance(old, tuple):
                new: object = tuple(int(number) for number in value.split(","))
            elif isinstance(old, float):
                new = float(value)
            elif isinstance(old, int):
                new = int(value)
            else:
                raise click.UsageError(f"--set {text}: there is no such size")
        except ValueError:
            raise click.UsageError(f"--set {text}: not a number") from None
        sizes = dataclasses.replace(sizes, **{name: new})  # type: ignore[arg-type]  # its type is the old value's
    return sizes


def _chosen(only: Sequence[str], without: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The peers to start, and those that are not there with what they need."""
    if unknown := {*only, *without} - {*peers.PEERS}:
        raise click.UsageError(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(peers.PEERS)}")
    names, missing = [], {}
    for name, peer in peers.PEERS.items():
        if name in without or (only and name not in only):
            continue
        needs = peer.missing()
        if needs is None:
            names.append(name)
        elif only:
            raise click.ClickException(f"{name} cannot be measured without {needs}")
        else:
            missing[name] = needs
    return names, missing


def _given(others: Sequence[str], pids: Sequence[str], tunnels: Sequence[str]) -> list[Row]:
    """Rows that run already."""
    processes_by_name = dict(pid.split("=", 1) for pid in pids)
    rows = []
    for other in others:
        name, _, address = other.partition("=")
        host, _, port = address.rpartition(":")
        if not (name and host and port.isdigit()):
            raise click.UsageError(f"--peer {other}: expected NAME=HOST:PORT")
        pid = processes_by_name.get(name)
        rows.append(Row(name, host, int(port), int(pid) if pid else None, "token" if name in tunnels else "password"))
    return rows


def _stores(
    sdks: Sequence[str], python: str, *, rounds: int, as_json: bool, about: dict[str, str | int | None]
) -> None:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emailproxy-benchmark-")))
        users = [stores.user(kind) for kind in stores.KINDS]
        upstream = stack.enter_context(processes.provider(folder, 1, users))
        places = [stores.Place(stores.NONE, None)]
        try:
            places += [stack.enter_context(stores.place(name, folder)) for name in sdks]
            starts, requests = stores.measure(places, upstream, folder, rounds=rounds, python=python)
        except processes.CannotStartError as error:
            raise click.ClickException(str(error)) from None
    tables = {
        "Start of the proxy, and three accounts' first logins": starts,
        "Requests to the store for one login": requests,
    }
    if as_json:
        click.echo(json.dumps(report.document("stores", tables, about), indent=2))
        return
    for title, results in tables.items():
        click.echo(report.table(title, results, ratios=False))
    click.echo("Measured on " + ", ".join(f"{key} {value}" for key, value in about.items()))
