"""What does a login cost? In turn and many at a time, in three protocols, with what is cached and what is not."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from benchmarks import peers, processes
from benchmarks.client import PROTOCOLS, Account, Protocol, Row, open_client
from benchmarks.figures import Result
from benchmarks.peers import classic, ours
from benchmarks.rounds import Work, paired
from benchmarks.setting import Setting, Tables, scaled
from benchmarks.wire import Wire

WARM_UP = 5
"""Logins that are not counted: the first fetches a token and derives a key, and TLS tickets arrive."""
SHORT_LIVED = 60
"""Seconds: a token that lives so long is renewed before it is used, at every login."""
LONG_LIVED = 3600
SLOW = 2
"""Logins in a round of a row that is known to take up to a second of CPU for each."""


def measure(setting: Setting) -> Tables:
    """Repeated logins first, then what makes them dearer."""
    rounds = setting.sizes.rounds
    yield (
        "The provider itself, a TLS client and nobody in between: its ceiling",
        paired(
            "logins, provider alone",
            [setting.upstream.direct()],
            rounds,
            lambda row, result: in_turn(setting, row, result, "imap", "provider alone"),
        ),
    )
    for protocol in PROTOCOLS:
        rows = [row for row in setting.rows if row.port_of(protocol) is not None]
        if rows:
            title = f"Repeated logins, {protocol.upper()}, the token at hand"
            yield title, paired(f"logins, {protocol}", rows, rounds, _repeated(setting, protocol))
    refreshing = [row for row in setting.rows if row.name in {"emailproxy", "classic"}]
    if refreshing:
        title = "Logins that need a new token, IMAP"
        yield title, paired("logins, new tokens", refreshing, rounds, _renewing(setting))
    yield from _without_resumption(setting)
    yield from _first(setting)


def _count(row: Row, wanted: int) -> int:
    return wanted if row.most is None else min(wanted, SLOW)


def _warm(row: Row, setting: Setting, protocol: Protocol) -> None:
    for _ in range(WARM_UP if row.most is None else 1):
        open_client(row, protocol, setting.account).leave()


def _repeated(setting: Setting, protocol: Protocol) -> Work:
    warmed: set[str] = set()

    def work(row: Row, result: Result) -> None:
        if row.name not in warmed:
            _warm(row, setting, protocol)
            warmed.add(row.name)
        in_turn(setting, row, result, protocol, f"{protocol} logins in turn")
        _at_a_time(setting, row, result, protocol)

    return work


def in_turn(setting: Setting, row: Row, result: Result, protocol: Protocol, name: str) -> None:
    """Connect, log in, log out, again and again: CPU milliseconds of all of it, wall milliseconds until logged in."""
    seconds = []
    count = _count(row, setting.sizes.logins)
    with setting.measured(name, row) as spent:
        for _ in range(count):
            begun = time.perf_counter()
            client = open_client(row, protocol, setting.account)
            seconds.append(time.perf_counter() - begun)
            client.leave()
    result.add("in turn: CPU ms", scaled(spent.cpu, 1000 / count))
    result.add("in turn: logins/s and core", None if not spent.cpu else count / spent.cpu)
    result.add_latencies("in turn", seconds)


def _at_a_time(setting: Setting, row: Row, result: Result, protocol: Protocol) -> None:
    """So many clients log in at the same time and stay until all are in, then all leave."""
    count = setting.sizes.together
    if row.most is not None and row.most < 10 * count:
        result.notes["at a time"] = "not measured: up to a second of CPU for each"
        return

    def enter(_number: int) -> float:
        begun = time.perf_counter()
        opened.append(open_client(row, protocol, setting.account))
        return time.perf_counter() - begun

    opened: list[Wire] = []
    try:
        with ThreadPoolExecutor(count) as pool, setting.measured(f"{protocol} logins at a time", row) as spent:
            seconds = list(pool.map(enter, range(count)))
    finally:
        for client in opened:
            client.close()
    result.add(f"{count} at a time: CPU ms", scaled(spent.cpu, 1000 / count))
    result.add(f"{count} at a time: logins/s", count / spent.wall)
    result.add_latencies(f"{count} at a time", seconds)


def _renewing(setting: Setting) -> Work:
    def work(row: Row, result: Result) -> None:
        setting.upstream.switch(expires_in=SHORT_LIVED)
        try:
            _renew(setting, row)
            in_turn(setting, row, result, "imap", "logins with new tokens")
        finally:
            setting.upstream.switch(expires_in=LONG_LIVED)
            _renew(setting, row)

    return work


def _renew(setting: Setting, row: Row) -> None:
    """Make the row forget the token that it has, by having the mail server refuse it once."""
    setting.upstream.switch(refuse_logins=1)
    with contextlib.suppress(RuntimeError):  # the classic proxy lets the client hear of the refusal
        open_client(row, "imap", setting.account).leave()


def _without_resumption(setting: Setting) -> Tables:
    """The same logins towards a server that hands out no TLS tickets: every handshake is a whole one."""
    names = [row.name for row in setting.rows if row.name in peers.PEERS and row.most is None]
    if not names:
        return
    with contextlib.ExitStack() as stack:
        folder = setting.place.folder / "no-tickets"
        folder.mkdir()
        place = setting.place.within(folder)
        upstream = stack.enter_context(processes.provider(folder, 1, pins=place.pins, tickets=False))
        rows = [stack.enter_context(peers.PEERS[name].start(upstream, place)) for name in names]
        other = replace(
            setting, rows=rows, upstream=upstream, account=upstream.account(), place=place,
            witness=replace(setting.witness, provider=upstream.pid),
        )  # fmt: skip
        for row in rows:
            _warm(row, other, "imap")
        results = paired(
            "logins, no TLS resumption", rows, setting.sizes.rounds,
            lambda row, result: in_turn(other, row, result, "imap", "logins without TLS resumption"),
        )  # fmt: skip
        yield "Repeated logins, IMAP, whole TLS handshakes (the server hands out no tickets)", results


def _first(setting: Setting) -> Tables:
    """The first login of an account: a token is fetched, a key is derived from the password, and a record is kept."""
    makers = {"emailproxy": ours.command(setting.place), "classic": classic.command()}
    names = [row.name for row in setting.rows if row.name in makers]
    if not names:
        return
    sizes = setting.sizes
    counts = {"emailproxy": sizes.first, "classic": min(sizes.first, SLOW)}
    rounds = min(sizes.rounds, 3)
    with contextlib.ExitStack() as stack:
        folder = setting.place.folder / "first"
        folder.mkdir()
        place = setting.place.within(folder)
        users = [f"user{number}@example.com" for number in range(sizes.first * rounds * len(names))]
        upstream = stack.enter_context(processes.provider(folder, 1, users, place.pins))
        rows = [stack.enter_context(ours.run(name, makers[name], upstream, place, users=users)) for name in names]
        fresh = {row.name: iter(users) for row in rows}
        other = replace(setting, rows=rows, upstream=upstream, witness=replace(setting.witness, provider=upstream.pid))

        def work(row: Row, result: Result) -> None:
            seconds = []
            with other.measured("first logins", row) as spent:
                for _ in range(counts[row.name]):
                    account = Account(next(fresh[row.name]), processes.PASSWORD, "")
                    begun = time.perf_counter()
                    client = open_client(row, "imap", account)
                    seconds.append(time.perf_counter() - begun)
                    client.leave()
            result.add("CPU ms", scaled(spent.cpu, 1000 / counts[row.name]))
            result.add_latencies("first", seconds)

        yield "First login of an account, IMAP", paired("logins, first", rows, rounds, work)
