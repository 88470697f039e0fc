"""What is done to each row, and what does it cost? One function per benchmark, one round of one row at a time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.client import Account, Client, Row
from benchmarks.measure import cpu_seconds, memory_kib, threads

GIB = 1024**3
SETTLE = 0.1
"""Seconds between the end of the work and reading the CPU clock: buffers empty, threads end."""


@dataclass
class Result:
    """What was measured of one row: each figure's values, one per round."""

    row: Row
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, figure: str, value: float | None) -> None:
        """Add one round's value; None if it could not be measured."""
        values = self.figures.setdefault(figure, [])
        if value is not None:
            values.append(value)

    def median(self, figure: str) -> float | None:
        """The middle of the rounds."""
        values = self.figures.get(figure)
        return statistics.median(values) if values else None


def interleaved(rows: Sequence[Row], rounds: int, work: Callable[[Row, Result], None]) -> list[Result]:
    """Each round visits every row, starting with another one each time, so that no row always has the warm machine."""
    results = [Result(row) for row in rows]
    for index in range(rounds):
        shift = index % len(results)
        for result in results[shift:] + results[:shift]:
            work(result.row, result)
    return results


def _cpu(row: Row) -> float | None:
    return None if row.pid is None else cpu_seconds(row.pid)


def _spent(row: Row, before: float | None, settle: float = SETTLE) -> float | None:
    time.sleep(settle)
    after = _cpu(row)
    return None if before is None or after is None else after - before


def relay(rows: Sequence[Row], account: Account, *, rounds: int, mib: int, message_mib: int) -> list[Result]:
    """CPU seconds per GiB: `mib` MiB down (FETCH) and as many up (APPEND) in each round, over one connection."""
    message = memoryview(bytes(message_mib * 1024 * 1024))
    repeats = max(1, mib // message_mib)

    def work(row: Row, result: Result) -> None:
        client = Client(row, account)
        client.command("SELECT Bulk")
        time.sleep(SETTLE)
        for direction in ("down", "up"):
            before, start = _cpu(row), time.perf_counter()
            carried = 0
            for _ in range(repeats):
                if direction == "down":
                    carried += client.fetch()
                else:
                    client.append(message)
                    carried += len(message)
            elapsed = time.perf_counter() - start
            spent = _spent(row, before)
            result.add(f"{direction} CPU s/GiB", None if spent is None else spent * GIB / carried)
            result.add(f"{direction} MiB/s", carried / elapsed / 1024**2)
        client.close()

    return interleaved(rows, rounds, work)


def logins(rows: Sequence[Row], account: Account, *, rounds: int, count: int) -> list[Result]:
    """CPU milliseconds per login of an account whose token is at hand, from connection to disconnection, two ways.

    In turn: `count` clients connect, log in, log out, one after the other. Together: `count` clients log in one after
    the other and stay, then all leave, as those of an office do. The second is what a busy server's login costs: caches
    are cold, and there are as many threads as sessions in a program that needs them.
    """
    for row in rows:
        for _ in range(5):  # the first one fetches a token and derives a key; TLS tickets arrive
            Client(row, account).close()

    def work(row: Row, result: Result) -> None:
        before = _cpu(row)
        durations = []
        for _ in range(count):
            start = time.perf_counter()
            client = Client(row, account)
            durations.append(time.perf_counter() - start)
            client.command("LOGOUT")
            client.close()
        spent = _spent(row, before)
        result.add("in turn: CPU ms", None if spent is None else spent * 1000 / count)
        result.add("wall ms", statistics.median(durations) * 1000)
        before = _cpu(row)
        clients: list[Client] = []
        try:
            clients += (Client(row, account) for _ in range(count))
        finally:
            for client in clients:
                client.close()
        spent = _spent(row, before, settle=0.5)
        result.add("together: CPU ms", None if spent is None else spent * 1000 / count)

    return interleaved(rows, rounds, work)


def idle(rows: Sequence[Row], account: Account, *, sessions: int, seconds: float) -> list[Result]:
    """KiB of memory per session in IDLE, and CPU seconds of all of them together while nothing happens."""
    pause = min(1.0, seconds)  # until the sessions of the warm-up are gone, and those of the row before

    def work(row: Row, result: Result) -> None:
        for _ in range(5):
            Client(row, account).close()
        time.sleep(pause)
        before = None if row.pid is None else memory_kib(row.pid)
        clients: list[Client] = []
        try:
            for _ in range(sessions):
                client = Client(row, account)
                client.command("SELECT INBOX")
                client.idle()
                clients.append(client)
            time.sleep(2 * pause)
            if row.pid is not None and before is not None:
                result.add("KiB/session", (memory_kib(row.pid) - before) / sessions)
                result.add("threads", threads(row.pid))
            cpu = _cpu(row)
            time.sleep(seconds)
            spent = _spent(row, cpu)
            result.add(f"CPU s in {seconds:g} s", spent)
        finally:
            for client in clients:
                client.close()
        time.sleep(pause)

    return interleaved(rows, 1, work)
