"""What does a session cost that waits? Memory, CPU while nothing happens, and the time to take it in."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from benchmarks.client import Client, Row
from benchmarks.figures import Result
from benchmarks.measure import cpu_seconds, descriptors, file_limit, memory_kib, threads
from benchmarks.rounds import FAILURES, in_turn
from benchmarks.setting import Setting, Tables

RESERVE = 200
"""Files of a process beside those of its sessions."""
FILES = 2
"""Files of a session at the least: a socket towards the client and one towards the server."""
PROBES = 10
"""Sessions from which it is told how many files one takes a row."""
SLACK = 0.25
"""Of a file for each of those: a descriptor of something else may come or go meanwhile."""
ENTERING = 8
"""Clients that log in at the same time while the crowd gathers."""
PAUSE = 1.0
"""Seconds until sessions that have ended are gone, and new ones have come to rest."""


@dataclass(frozen=True)
class Capacity:
    """How many sessions every row can hold, with the files that a process may open."""

    limit: int
    """Open files of a process."""
    files: int
    """Of a session, where it takes most."""
    row: str
    """Which row that is."""
    holds: int | None = None
    """What a row takes by its own reckoning, if that is less."""
    holder: str = ""
    """Which row that is."""

    @property
    def most(self) -> int:
        """So many sessions."""
        files = max(1, (self.limit - RESERVE) // self.files)
        return files if self.holds is None else min(files, self.holds)

    def cut(self, wanted: int) -> str:
        """Why there are fewer sessions than wanted, for a title; empty: there are not."""
        if wanted <= self.most:
            return ""
        if self.most == self.holds:
            files = f"the {self.limit:,} files that a process may open here"
            return f", not {wanted:,}: {self.holder} takes no more with {files}"
        needs = f"a session takes {self.row} {self.files} files"
        return f", not {wanted:,}: {needs}, and a process may open {self.limit:,} here"


def capacity(setting: Setting) -> Capacity:
    """Ask each row how many files it opens for a session: too many would make it refuse the last."""
    taken = {row.name: _files(setting, row) for row in setting.rows if row.most is None}
    name = max(taken, key=taken.__getitem__, default="a proxy")
    holders = {row.name: row.holds for row in setting.rows if row.holds is not None and row.most is None}
    holder = min(holders, key=holders.__getitem__, default="")
    return Capacity(file_limit(), max(FILES, taken.get(name, 0)), name, holders.get(holder), holder)


def _files(setting: Setting, row: Row) -> int:
    """As its process says; of one that is not known, what it takes at the least."""
    if row.pid is None:
        return FILES
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(Client(row, setting.account))  # the first of everything
            before = descriptors(row.pid)
            for _ in range(PROBES):
                stack.enter_context(Client(row, setting.account))
            return math.ceil((descriptors(row.pid) - before) / PROBES - SLACK)
        except FAILURES:
            return FILES  # it will be heard of when its turn comes


def measure(setting: Setting) -> Tables:
    """One table for each size; a size that the limit of open files does not allow is cut, and called what it is."""
    room = capacity(setting)
    for size in dict.fromkeys(min(size, room.most) for size in setting.sizes.idle):
        cut = "" if size in setting.sizes.idle else room.cut(max(setting.sizes.idle))
        title = f"Idle: {size} sessions in IDLE{cut}"
        rows = [row for row in setting.rows if row.most is None or row.most >= size]
        yield title, in_turn(f"idle, {size} sessions", rows, 1, partial(crowd, setting, size))


def crowd(setting: Setting, sessions: int, row: Row, result: Result) -> None:
    """So many sessions come, idle for a while, and leave."""
    for _ in range(5):
        Client(row, setting.account).leave()
    seconds = setting.sizes.idle_seconds
    pause = min(PAUSE, seconds)
    time.sleep(pause)
    before = None if row.pid is None else memory_kib(row.pid)
    clients: list[Client] = []
    lock = threading.Lock()

    def enter(_number: int) -> None:
        client = Client(row, setting.account)
        with lock:
            clients.append(client)
        client.command("SELECT INBOX")
        client.idle()

    try:
        with setting.measured(f"{sessions} sessions arrive", row) as spent, ThreadPoolExecutor(ENTERING) as pool:
            list(pool.map(enter, range(sessions)))
        result.add("s to take them in", spent.wall)
        result.add("CPU s to take them in", spent.cpu)
        time.sleep(2 * pause)
        if row.pid is not None and before is not None:
            result.add("KiB/session", (memory_kib(row.pid) - before) / sessions)
            result.add("threads", threads(row.pid))
            used = cpu_seconds(row.pid)
            time.sleep(seconds)
            result.add("CPU % while idle", (cpu_seconds(row.pid) - used) / seconds * 100)
    finally:
        for client in clients:
            client.close()
    time.sleep(pause)
