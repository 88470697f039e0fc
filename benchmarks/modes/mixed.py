"""Does it hold for a day? An office's day in minutes: sessions that idle, clients that poll, bursts of mail sent."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from benchmarks.client import Client, Pop3Client, Row, SmtpClient
from benchmarks.figures import Result
from benchmarks.measure import descriptors, memory_kib, own_memory_kib
from benchmarks.modes.idle import ENTERING, capacity
from benchmarks.rounds import in_turn
from benchmarks.setting import Setting, Tables, scaled

TICK = 0.5
"""Seconds between two turns of the office."""
POLLS, SENDERS, MOVERS = 4, 3, 2
"""In each turn: clients that poll, messages that are sent, and sessions that leave and come back."""
MAIL = b"Subject: minutes of the meeting\r\n\r\n" + b"Dear all, please find them below.\r\n" * 300
SHORTER = 4.0
"""The others' day is shorter: what a minute costs them is told by fewer, and whether they grow is not our question."""
SETTLED = 3.0
"""Seconds after everybody has left in which the last connections close."""


def measure(setting: Setting) -> Tables:
    """Each row has its day, one after the other."""
    size = min(setting.sizes.office, capacity(setting).most)
    rows = [row for row in setting.rows if row.port_of("smtp") is not None and (row.most is None or row.most >= size)]
    minutes = setting.sizes.minutes
    title = f"An office's day in {minutes:g} minutes: {size} sessions in IDLE, polling, sending"
    if len(rows) > 1:
        title += f" (the others': {minutes / SHORTER:g})"
    other = replace(setting, sizes=replace(setting.sizes, office=size))

    def work(row: Row, result: Result) -> None:
        day(other, row, result, minutes if row is rows[0] else minutes / SHORTER)

    yield title, in_turn("mixed", rows, 1, work)


def day(setting: Setting, row: Row, result: Result, minutes: float) -> None:
    """Everybody comes, works for so long, and leaves."""
    turns = max(8, round(minutes * 60 / TICK))
    _turn(setting, row, [])  # the first of everything is not the day's
    files = None if row.pid is None else descriptors(row.pid)
    clients: list[Client] = []
    memory: list[float] = []
    own: list[float] = []
    with ThreadPoolExecutor(ENTERING) as pool:
        try:
            clients += pool.map(lambda _number: _idling(setting, row), range(setting.sizes.office))
            with setting.measured("an office's day", row) as spent:
                begun = time.monotonic()
                for number in range(turns):
                    list(pool.map(lambda call: call(), _turn(setting, row, clients)))
                    if row.pid is not None:
                        memory.append(memory_kib(row.pid) / 1024)
                        own.append(own_memory_kib(row.pid) / 1024)
                    time.sleep(max(0.0, begun + (number + 1) * TICK - time.monotonic()))
        finally:
            for client in clients:
                client.close()
    result.add("CPU s for a minute", scaled(spent.cpu, 60 / spent.wall))
    result.add("turns that were late", max(0.0, spent.wall / TICK / turns - 1) * turns)
    if row.port_of("pop3") is None:
        result.notes["polling"] = "with IMAP instead of POP3, which it does not do here"
    if row.pid is None or files is None:
        return
    result.add("MiB", statistics.median(memory))
    result.add("memory growth %", growth(own))
    result.curves["MiB over time"], result.series = memory, ("MiB over time",)
    deadline = time.monotonic() + SETTLED
    while descriptors(row.pid) > files and time.monotonic() < deadline:
        time.sleep(0.05)
    result.add("files left open", max(0, descriptors(row.pid) - files))


def growth(memory: list[float]) -> float:
    """Per cent by which memory after the last quarter is above that after the first, which is the start's.

    After a quarter is the median of its second half: one sample may have met a message under way.
    """
    eighth = max(1, len(memory) // 8)
    early, late = statistics.median(memory[eighth : 2 * eighth] or memory), statistics.median(memory[-eighth:])
    return (late / early - 1) * 100


def _turn(setting: Setting, row: Row, clients: list[Client]) -> list[Callable[[], None]]:
    """What happens in one turn; without sessions it is done at once."""

    def poll() -> None:
        if row.port_of("pop3") is None:
            with Client(row, setting.account) as client:
                client.command("STATUS INBOX (MESSAGES UIDNEXT)")
                client.command("LOGOUT")
            return
        with Pop3Client(row, setting.account) as maildrop:
            maildrop.command("STAT")
            maildrop.command("QUIT")

    def send() -> None:
        with SmtpClient(row, setting.account) as submission:
            submission.submit(setting.account.user, "somebody@elsewhere.example.com", MAIL)
            submission.command("QUIT", b"221")

    def move() -> None:
        clients.pop(0).close()
        clients.append(_idling(setting, row))

    if not clients:
        poll()
        send()
        return []
    calls = [*itertools.repeat(poll, POLLS), *itertools.repeat(send, SENDERS)]
    return calls + [move] * min(MOVERS, len(clients))


def _idling(setting: Setting, row: Row) -> Client:
    client = Client(row, setting.account)
    client.command("SELECT INBOX")
    client.idle()
    return client
