"""What does a relayed gibibyte cost? Down and up, with TLS on one side and on both, over one session and over many."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.client import Client, Row
from benchmarks.figures import Result
from benchmarks.modes import small_messages
from benchmarks.rounds import Work, paired
from benchmarks.setting import Setting, Tables, scaled

GIB, MIB = 1024**3, 1024**2
LARGEST = 64
"""MiB of the largest message, which the provider holds for each mailbox."""


def measure(setting: Setting) -> Tables:
    """Bulk first, then what is small."""
    sizes, rows = setting.sizes, setting.rows
    crowd = f"{sizes.crowd} sessions"
    yield (
        "The provider itself, a TLS client and nobody in between: its ceiling",
        paired("relay, provider alone", [setting.upstream.direct()], sizes.rounds, bulk(setting, "provider alone", 1)),
    )
    yield (
        f"Relay: {sizes.mib} MiB each way, one session, plain client, TLS to the server",
        paired("relay", rows, sizes.rounds, bulk(setting, "1 session", 1)),
    )
    yield (
        "Relay: one session, TLS on both sides",
        paired(
            "relay, TLS on both sides",
            [row for row in rows if "imaps" in row.others],
            sizes.rounds,
            bulk(setting, "1 session, TLS on both sides", 1, tls=True),
        ),
    )
    yield (
        f"Relay: {crowd}, plain client",
        paired(
            f"relay, {crowd}",
            [row for row in rows if row.most is None or row.most >= 10 * sizes.crowd],
            sizes.rounds,
            bulk(setting, crowd, sizes.crowd),
        ),
    )
    yield from small_messages.measure(setting)


def bulk(
    setting: Setting, name: str, sessions: int, *, tls: bool = False, directions: Sequence[str] = ("down", "up")
) -> Work:
    """Carry as much as the sizes say, over so many sessions together."""
    each = setting.sizes.mib * MIB // sessions
    piece = min(each, LARGEST * MIB)
    message = memoryview(bytes(piece))

    def down(client: Client) -> int:
        return sum(client.fetch(piece) for _ in range(each // piece))

    def up(client: Client) -> int:
        for _ in range(each // piece):
            client.append(message)
        return each // piece * piece

    def work(row: Row, result: Result) -> None:
        clients: list[Client] = []
        try:
            for _ in range(sessions):
                client = Client(row, setting.account, tls=tls)
                clients.append(client)
                client.command("SELECT Bulk")
            for direction in directions:
                carry = {"down": down, "up": up}[direction]
                with setting.measured(f"{name}, {direction}", row) as spent:
                    carried = sum(_together(carry, clients))
                result.add(f"{direction}: CPU s/GiB", scaled(spent.cpu, GIB / carried))
                result.add(f"{direction}: MiB/s", carried / spent.wall / MIB)
        finally:
            for client in clients:
                client.close()

    return work


def _together(carry: Callable[[Client], int], clients: Sequence[Client]) -> list[int]:
    """Let all carry at once; what each has carried."""
    if len(clients) == 1:
        return [carry(clients[0])]
    barrier = threading.Barrier(len(clients))

    def one(client: Client) -> int:
        barrier.wait()
        return carry(client)

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(one, clients))
