"""Does it matter how many accounts there are? Start, memory, login and reload with few and many; and a full store."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import processes
from benchmarks.client import Client, Row
from benchmarks.figures import Result
from benchmarks.measure import resident_kib
from benchmarks.modes.logins import LONG_LIVED, SHORT_LIVED, WARM_UP
from benchmarks.peers import ours
from benchmarks.rounds import paired
from benchmarks.setting import Setting, Tables, scaled

RELOADED = "configuration reloaded"
RELOAD_LIMIT = 120.0
"""Seconds that a reload may take before the benchmark fails."""


def measure(setting: Setting) -> Tables:
    """Only ours: what the peers' configurations cost is their affair."""
    sizes = setting.sizes
    with contextlib.ExitStack() as stack:
        rows, starts = [], {}
        for count in sizes.accounts:
            name = f"{count} accounts"
            users = [setting.upstream.user, *(f"user{number}@example.com" for number in range(count - 1))]
            # Tokens are kept in a file of their own, as whoever has so many accounts would: a change writes all of it.
            store = setting.place.folder / f"{count}-accounts.store"
            row, starts[name] = _started(setting, stack, name, users=users, store=store)
            rows.append(row)

        def work(row: Row, result: Result) -> None:
            if not result.figures:
                for figure, value in starts[row.name].items():
                    result.add(figure, value)
            _logins(setting, row, result, "login")
            result.add("s to reload", _reload(setting, row))

        yield "Accounts in the configuration", paired("accounts", rows, sizes.rounds, work)
    with contextlib.ExitStack() as stack:
        rows, starts = [], {}
        for count in (1, sizes.records):
            name = f"{count} records" if count > 1 else "1 record"
            path = setting.place.folder / f"{name.replace(' ', '-')}.store"
            path.write_text(_records(setting, count))
            row, starts[name] = _started(setting, stack, name, store=path)
            rows.append(row)

        def work_with_records(row: Row, result: Result) -> None:
            if not result.figures:
                for figure, value in starts[row.name].items():
                    result.add(figure, value)
            _logins(setting, row, result, "login")
            setting.upstream.switch(expires_in=SHORT_LIVED, refuse_logins=1)
            try:
                _logins(setting, row, result, "login that keeps a new token", 10)
            finally:
                setting.upstream.switch(expires_in=LONG_LIVED)

        yield "Records in the store, a file", paired("accounts, records", rows, sizes.rounds, work_with_records)


def _started(
    setting: Setting,
    stack: contextlib.ExitStack,
    name: str,
    *,
    users: Sequence[str] = (),
    store: Path | None = None,
) -> tuple[Row, dict[str, float]]:
    """A proxy, with what its start took."""
    words = ours.command(setting.place) + ([] if store is None else ["--cache-store", str(store)])
    begun = time.perf_counter()
    row = stack.enter_context(
        ours.run(name.replace(" ", "-"), words, setting.upstream, setting.place, users=users, served=False)
    )
    figures = {"s to listening": time.perf_counter() - begun}
    assert row.pid is not None
    _first_login(setting, row)
    figures["s until somebody is in"] = time.perf_counter() - begun
    figures["MiB RSS after the first login"] = resident_kib(row.pid) / 1024
    for _ in range(WARM_UP):
        Client(row, setting.account).leave()
    return Row(name, row.host, row.port, row.pid, row.login), figures


def _first_login(setting: Setting, row: Row) -> None:
    """Log in, again and again while the store that is read for the first time does not answer soon enough.

    Raises:
        RuntimeError: nobody got in.
    """
    deadline = time.monotonic() + processes.START_LIMIT
    while True:
        try:
            Client(row, setting.account).leave()
        except RuntimeError as error:
            if "UNAVAILABLE" not in str(error) or time.monotonic() > deadline:
                raise
        else:
            return


def _logins(setting: Setting, row: Row, result: Result, figure: str, divisor: int = 1) -> None:
    count = max(2, setting.sizes.logins // divisor)
    with setting.measured(figure, row) as spent:
        for _ in range(count):
            Client(row, setting.account).leave()
    result.add(f"{figure}: CPU ms", scaled(spent.cpu, 1000 / count))
    result.add(f"{figure}: ms", spent.wall * 1000 / count)


def _reload(setting: Setting, row: Row) -> float:
    """Seconds from SIGHUP until the log says that the new configuration is in force."""
    assert row.pid is not None
    log = setting.place.folder / f"{row.name.replace(' ', '-')}.log"
    before = log.read_text().count(RELOADED)
    begun = time.perf_counter()
    subprocess.run(["kill", f"-{signal.SIGHUP.value}", str(row.pid)], check=True)
    while log.read_text().count(RELOADED) == before:
        if time.perf_counter() - begun > RELOAD_LIMIT:
            raise RuntimeError(f"{row.name}: not reloaded:\n{log.read_text()[-2000:]}")
        time.sleep(0.005)
    return time.perf_counter() - begun


def _records(setting: Setting, count: int) -> str:
    """A store with the record of the account, and copies of it under other names."""
    name, path = f"maker-{count}", setting.place.folder / f"maker-{count}.store"
    words = [*ours.command(setting.place), "--cache-store", str(path)]
    with ours.run(name, words, setting.upstream, setting.place) as row:
        Client(row, setting.account).leave()
        deadline = time.monotonic() + processes.START_LIMIT
        while not (path.exists() and f"[{setting.upstream.user}]" in path.read_text()):
            if time.monotonic() > deadline:
                raise RuntimeError("no record was written")
            time.sleep(0.01)
    return copied(path.read_text(), setting.upstream.user, count)


def copied(text: str, user: str, count: int) -> str:
    """The section of `user`, and behind it `count` - 1 copies under other names.

    Raises:
        ValueError: there is no such section.
    """
    found = re.search(rf"^\[{re.escape(user)}\]\n(?P<options>(?:(?!\[).*\n?)*)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no section [{user}]")
    options = found["options"].rstrip("\n") + "\n"
    names = (f"record{number}@example.com" for number in range(count - 1))
    return f"[{user}]\n{options}\n" + "".join(f"[{name}]\n{options}\n" for name in names)
