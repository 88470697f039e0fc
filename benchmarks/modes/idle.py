"""What does a session cost that waits? Memory, CPU while nothing happens, and the time to take it in."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.client import Client, Row
from benchmarks.figures import Result
from benchmarks.measure import cpu_seconds, file_limit, memory_kib, threads
from benchmarks.rounds import in_turn
from benchmarks.setting import Measured, Setting

RESERVE = 200
"""Files of a process beside those of its sessions."""
FILES = 2
"""Files of a session: a socket towards the client and one towards the server."""
ENTERING = 8
"""Clients that log in at the same time while the crowd gathers."""
PAUSE = 1.0
"""Seconds until sessions that have ended are gone, and new ones have come to rest."""


def measure(setting: Setting) -> Measured:
    """One table for each size; a size that the limit of open files does not allow is cut, and called what it is."""
    most = most_sessions()
    found: Measured = {}
    for size in dict.fromkeys(min(size, most) for size in setting.sizes.idle):
        title = f"Idle: {size} sessions in IDLE"
        if size not in setting.sizes.idle:
            title += f", as many as {file_limit()} open files allow"
        rows = [row for row in setting.rows if row.most is None or row.most >= size]
        found[title] = in_turn(f"idle, {size} sessions", rows, 1, partial(_crowd, setting, size))
    return found


def most_sessions() -> int:
    """As many as every row can hold with the files that it may open."""
    return (file_limit() - RESERVE) // FILES


def _crowd(setting: Setting, sessions: int, row: Row, result: Result) -> None:
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
