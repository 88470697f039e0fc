"""What does a person's consent cost? One after the other, and many logins that wait for one at the same time."""

from __future__ import annotations

import contextlib
import re
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks import processes
from benchmarks.client import LIMIT, Account, Client, Row
from benchmarks.figures import Result
from benchmarks.measure import cpu_seconds, memory_kib
from benchmarks.peers import ours
from benchmarks.peers.base import ports
from benchmarks.rounds import paired
from benchmarks.setting import Setting, Tables, scaled

URL = re.compile(r"https?://\S+/authorize\?\S+")


def measure(setting: Setting) -> Tables:
    """Only ours. The bench is the person: it opens the address that the log says, and the provider agrees at once."""
    sizes = setting.sizes
    rounds = min(sizes.rounds, 3)
    users = [f"person{number}@example.com" for number in range(rounds * (sizes.consents + sizes.waiting))]
    with contextlib.ExitStack() as stack:
        folder = setting.place.folder / "consent"
        folder.mkdir()
        place = setting.place.within(folder)
        upstream = stack.enter_context(processes.provider(folder, 1, users, place.pins))
        redirect = ports("redirect")["redirect"]
        extra = (
            f"oauth2_flow = authorization_code\npermission_url = {upstream.authorization_url}\n"
            f"redirect_uri = http://localhost:{redirect}\n"
        )
        row = stack.enter_context(ours.run("emailproxy", ours.command(place), upstream, place, users=users, flow=extra))
        log = folder / "emailproxy.log"
        other = replace(setting, upstream=upstream, witness=replace(setting.witness, provider=upstream.pid))
        fresh = iter(users)

        def work(row: Row, result: Result) -> None:
            _in_turn(other, row, result, fresh, log)
            _waiting(other, row, result, fresh, log)

        yield "Consents, IMAP", paired("consent", [row], rounds, work)


def _in_turn(setting: Setting, row: Row, result: Result, fresh: Iterator[str], log: Path) -> None:
    """From connecting to being logged in, with a person who needs no time."""
    count, seconds = setting.sizes.consents, []
    with ThreadPoolExecutor(1) as pool, setting.measured("consents", row) as spent:
        for _ in range(count):
            begun = time.perf_counter()
            seen = len(log.read_bytes())
            login = pool.submit(Client, row, Account(next(fresh), processes.PASSWORD, ""))
            agree(_urls(log, seen, 1, [login]))
            login.result().leave()
            seconds.append(time.perf_counter() - begun)
    result.add("one: CPU ms", scaled(spent.cpu, 1000 / count))
    result.add_latencies("one consent", seconds)


def _waiting(setting: Setting, row: Row, result: Result, fresh: Iterator[str], log: Path) -> None:
    """So many logins wait; then everybody agrees."""
    assert row.pid is not None
    count, seconds = setting.sizes.waiting, min(setting.sizes.idle_seconds, 5.0)
    accounts = [Account(next(fresh), processes.PASSWORD, "") for _ in range(count)]
    before, seen = memory_kib(row.pid), len(log.read_bytes())
    with ThreadPoolExecutor(count) as pool:
        logins = [pool.submit(Client, row, account) for account in accounts]
        urls = _urls(log, seen, count, logins)
        result.add(f"{count} waiting: KiB each", max(0.0, (memory_kib(row.pid) - before) / count))
        used = cpu_seconds(row.pid)
        time.sleep(seconds)
        result.add(f"{count} waiting: CPU %", (cpu_seconds(row.pid) - used) / seconds * 100)
        begun = time.perf_counter()
        agree(urls)
        for login in logins:
            login.result().leave()
        result.add(f"{count} agree: s until all are in", time.perf_counter() - begun)


def _urls(log: Path, seen: int, count: int, logins: Sequence[Future[Client]]) -> list[str]:
    """The addresses that the log shows behind the first `seen` octets, as soon as there are so many.

    Raises:
        RuntimeError: a login ended before, or they do not come.
    """
    deadline = time.monotonic() + LIMIT
    while len(urls := list(dict.fromkeys(URL.findall(log.read_bytes()[seen:].decode())))) < count:
        for login in logins:
            if login.done():
                login.result()
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(urls)} of {count} addresses in the log")
        time.sleep(0.002)
    return urls[:count]


def agree(urls: Sequence[str]) -> None:
    """Open each address as a browser would, and follow it back to the proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for url in urls:
        with opener.open(url, timeout=LIMIT) as response:
            response.read()
