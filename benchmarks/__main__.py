"""What can be typed? ``python -m benchmarks relay|logins|idle|all|stores|timing``."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from benchmarks import processes, report, stores, timing, workloads
from benchmarks.client import Row
from benchmarks.measure import raise_file_limit

NAMES = ("relay", "logins", "idle")
SDKS = ("aws", "azure", "gcp")


@click.command(context_settings={"max_content_width": 120})
@click.argument("which", type=click.Choice([*NAMES, "all", "stores", "timing"]))
@click.option("--emailproxy/--no-emailproxy", default=True, help="Measure our proxy.")
@click.option(
    "--python", metavar="PATH", default=sys.executable, help="Run our proxy with this interpreter.  [default: this one]"
)
@click.option("--stunnel/--no-stunnel", default=True, help="Measure stunnel (Debian package stunnel4).")
@click.option("--nginx", is_flag=True, help="Measure nginx stream (nginx-light and libnginx-mod-stream).")
@click.option("--classic", metavar="PATH", help="Measure the classic proxy, by its command.")
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="NAME=HOST:PORT",
    help="Measure another proxy that runs already, in front of the provider of --provider-file.",
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
@click.option(
    "--rounds", type=int, help="Interleaved rounds.  [default: 4 for relay, 5 for logins and stores, 40 for timing]"
)
@click.option("--mib", type=int, help="relay: MiB each way in each round.  [default: 128]")
@click.option("--count", type=int, help="logins: logins in each round.  [default: 300]")
@click.option("--sessions", type=int, help="idle: sessions.  [default: 2000]")
@click.option("--seconds", type=float, help="idle: how long nothing happens.  [default: 10]")
@click.option(
    "--sdk", "sdks", multiple=True, type=click.Choice(SDKS), help="stores: with which; may be repeated.  [default: all]"
)
@click.option("--quick", is_flag=True, help="A tenth of everything: to see that it works.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, every round's value, instead of a table.")
def main(
    *,
    which: str,
    emailproxy: bool,
    python: str,
    stunnel: bool,
    nginx: bool,
    classic: str | None,
    peers: tuple[str, ...],
    pids: tuple[str, ...],
    tunnels: tuple[str, ...],
    provider_file: Path | None,
    rounds: int | None,
    mib: int | None,
    count: int | None,
    sessions: int | None,
    seconds: float | None,
    sdks: tuple[str, ...],
    quick: bool,
    as_json: bool,
) -> None:
    """Measure what relaying, logging in and idling cost, all rows side by side in one run.

    With `timing`: whether the time of a refusal tells who has an account; ends with status 1 if it does.

    With `stores`: what a store in a secret manager costs, which needs the SDKs and what the tests of the stores need.
    """
    raise_file_limit()
    if which == "stores":
        _stores(sdks or SDKS, python, rounds=rounds or (1 if quick else 5), as_json=as_json)
        return
    if which == "timing":
        _timing(rounds or (8 if quick else 40), as_json=as_json)
        return
    mib = mib or (32 if quick else 128)
    message_mib = min(mib, 64)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emailproxy-benchmark-")))
        if provider_file is not None:
            upstream = processes.Upstream.from_file(provider_file)
        else:
            upstream = stack.enter_context(processes.provider(folder, message_mib))
        rows: list[Row] = []

        def measured(start: Callable[[], contextlib.AbstractContextManager[Row]]) -> None:
            try:
                rows.append(stack.enter_context(start()))
            except processes.CannotStartError as error:
                raise click.ClickException(str(error)) from None

        if emailproxy:
            measured(lambda: processes.emailproxy(upstream, folder, python))
        if stunnel:
            measured(lambda: processes.stunnel(upstream, folder))
        if nginx:
            measured(lambda: processes.nginx(upstream, folder))
        if classic is not None:
            measured(lambda: processes.classic(classic, upstream, folder))
        rows += _peers(peers, pids, tunnels)
        if not rows:
            raise click.UsageError("nothing to measure")
        account = upstream.account()
        for name in NAMES if which == "all" else (which,):
            if name == "relay":
                title = f"Relay: {mib} MiB each way and round, one connection, TLS towards the server"
                results = workloads.relay(
                    rows, account, rounds=rounds or (2 if quick else 4), mib=mib, message_mib=message_mib
                )
            elif name == "logins":
                count = count or (20 if quick else 300)
                title = f"Repeated logins: {count} in each round, in turn and then together"
                results = workloads.logins(rows, account, rounds=rounds or (2 if quick else 5), count=count)
            else:
                sessions = sessions or (200 if quick else 2000)
                seconds = seconds or (3.0 if quick else 10.0)
                title = f"Idle: {sessions} sessions in IDLE"
                results = workloads.idle(rows, account, sessions=sessions, seconds=seconds)
            click.echo(report.as_json(name, results, python) if as_json else report.table(title, results))
    if not as_json:
        click.echo("Measured on " + ", ".join(f"{key} {value}" for key, value in report.machine(python).items()))


def _timing(rounds: int, *, as_json: bool) -> None:
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


def _stores(sdks: Sequence[str], python: str, *, rounds: int, as_json: bool) -> None:
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
    if as_json:
        click.echo(report.as_json("stores: start", starts, python))
        click.echo(report.as_json("stores: requests", requests, python))
        return
    click.echo(report.table("Start of the proxy, and three accounts' first logins", starts))
    click.echo(report.table("Requests to the store for one login", requests, ratios=False))
    click.echo("Measured on " + ", ".join(f"{key} {value}" for key, value in report.machine(python).items()))


def _peers(peers: tuple[str, ...], pids: tuple[str, ...], tunnels: tuple[str, ...]) -> list[Row]:
    processes_by_name = dict(pid.split("=", 1) for pid in pids)
    rows = []
    for peer in peers:
        name, _, address = peer.partition("=")
        host, _, port = address.rpartition(":")
        if not (name and host and port.isdigit()):
            raise click.UsageError(f"--peer {peer}: expected NAME=HOST:PORT")
        pid = processes_by_name.get(name)
        rows.append(Row(name, host, int(port), int(pid) if pid else None, "token" if name in tunnels else "password"))
    return rows


if __name__ == "__main__":
    sys.exit(main())
