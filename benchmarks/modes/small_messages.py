"""What does the relay add to what is small? A NOOP's round trip, news in IDLE, many small messages in one go."""

from __future__ import annotations

import itertools
import statistics
import time

from benchmarks.client import Client, Row
from benchmarks.figures import Result
from benchmarks.rounds import paired
from benchmarks.setting import Setting, Tables, scaled

SMALL = b"Subject: small\r\n\r\n" + b"0123456789" * 200 + b"\r\n"
"""Two kilobytes, as much mail without attachments."""


def measure(setting: Setting) -> Tables:
    """Each row's times, and beside them what they are above those of a direct connection in the same second."""
    sizes = setting.sizes
    direct = setting.upstream.direct()
    names = itertools.count()
    with Client(direct, setting.account) as behind:
        behind.command("CREATE Small")
        for _ in range(sizes.small):
            behind.append(SMALL, "Small")

        def work(row: Row, result: Result) -> None:
            base = _noops(direct, setting)
            with setting.measured("NOOP", row) as spent:
                trips = _noops(row, setting)
            result.add_latencies("NOOP", trips, "us")
            result.add("NOOP added: p50 us", (statistics.median(trips) - statistics.median(base)) * 1e6)
            result.add("NOOP: CPU us", scaled(spent.cpu, 1e6 / len(trips)))
            folder = f"News{next(names)}"
            behind.command(f"CREATE {folder}")
            base = _news(direct, behind, setting, folder)
            news = _news(row, behind, setting, folder)
            result.add_latencies("IDLE news", news, "us")
            result.add("IDLE news added: p50 us", (statistics.median(news) - statistics.median(base)) * 1e6)
            with Client(row, setting.account) as client:
                client.command("SELECT Small")
                client.fetch_pipelined(sizes.small)
                with setting.measured("pipelined FETCH", row) as spent:
                    client.fetch_pipelined(sizes.small)
            result.add("pipelined FETCH: CPU us/message", scaled(spent.cpu, 1e6 / sizes.small))
            result.add("pipelined FETCH: messages/s", sizes.small / spent.wall)

        title = (
            f"Relay: small messages, {sizes.trips} round trips, {sizes.notices} news, {sizes.small} messages in one go"
        )
        yield title, paired("relay, small messages", setting.rows, sizes.rounds, work)


def _noops(row: Row, setting: Setting) -> list[float]:
    with Client(row, setting.account) as client:
        seconds = []
        for _ in range(setting.sizes.trips):
            begun = time.perf_counter()
            client.command("NOOP")
            seconds.append(time.perf_counter() - begun)
        return seconds


def _news(row: Row, behind: Client, setting: Setting, folder: str) -> list[float]:
    """From the moment when a message is sent to the server until the client in IDLE hears of it."""
    with Client(row, setting.account) as client:
        client.command(f"SELECT {folder}")
        client.idle()
        seconds = []
        for _ in range(setting.sizes.notices):
            begun = time.perf_counter()
            behind.append(b"Subject: news\r\n\r\n", folder)
            if not client.line().endswith(b"EXISTS"):
                raise RuntimeError(f"{row.name}: no news in IDLE")
            seconds.append(time.perf_counter() - begun)
        return seconds
