"""What does a store in a secret manager cost the proxy? Time to start, memory, and requests, with each SDK.

The secret managers are doubles on loopback that count what reaches them, each a process of its own
(``tests.stores.places``); the SDKs are the real ones. A row begins with no store but the configuration file.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import processes
from benchmarks.client import Account, Client, Row
from benchmarks.figures import Result
from benchmarks.measure import resident_kib, threads

NONE = "no secret manager"
KINDS = ("reusable", "rotating", "single_use")
"""The values of the option refresh_tokens; there is one account for each."""
EXPIRES_IN = 606
"""Seconds that the provider says its tokens live: what has less than 600 left is refreshed at the next login."""
FRESH_SECONDS = 6.0
"""How long a token of `EXPIRES_IN` is not refreshed."""
QUIET = 0.5
"""Seconds after a login in which a request may still be under way."""


@dataclass(frozen=True)
class Place:
    """A store, and who counts the requests to it."""

    name: str
    address: str | None
    """None: the configuration file."""
    variables: Mapping[str, str] = field(default_factory=dict)
    counts_url: str = ""

    def requests(self) -> int:
        """How many have reached it so far."""
        return sum(_got(self.counts_url).values()) if self.counts_url else 0


@contextlib.contextmanager
def place(name: str, folder: Path) -> Generator[Place]:
    """Start the double of a secret manager.

    Raises:
        CannotStartError: it, or its SDK, is not installed.
    """
    port_file, log = folder / f"{name}.json", folder / f"{name}.place.log"
    command = [sys.executable, "-m", "tests.stores.places", name, "--port-file", str(port_file)]
    with processes.started(command, log) as process:
        processes.wait(process, log, port_file.exists)
        yield Place(name, **json.loads(port_file.read_text()))


def user(kind: str) -> str:
    """Whose account has this kind of refresh tokens."""
    return f"{kind.replace('_', '-')}@example.com"


def measure(
    places: Sequence[Place], upstream: processes.Upstream, folder: Path, *, rounds: int, python: str = sys.executable
) -> tuple[list[Result], list[Result]]:
    """Start-up of every place, and requests of those that count; interleaved rounds."""
    upstream.switch(rotate_refresh_tokens=True, expires_in=EXPIRES_IN)
    rows = {one.name: (Row(one.name, "127.0.0.1", processes.free_port(), None, "password"), one) for one in places}
    starts = [Result(row) for row, _ in rows.values()]
    requests = [Result(row) for row, one in rows.values() if one.counts_url]
    for row, one in rows.values():  # authorise the accounts: what is measured finds their records
        with _proxy(row, one, upstream, folder, python):
            for kind in KINDS:
                _login(row, kind)
    for number in range(rounds):
        shift = number % len(starts)
        for result in starts[shift:] + starts[:shift]:
            row, one = rows[result.row.name]
            counted = next((other for other in requests if other.row is row), Result(row))
            with _proxy(row, one, upstream, folder, python) as (process, seconds):
                result.add("s to listening", seconds)
                result.add("MiB", resident_kib(process.pid) / 1024)
                for kind in KINDS:
                    _count(counted, f"first, {kind}", row, one, kind)
                    _count(counted, "warm", row, one, kind)
                result.add("MiB after logins", resident_kib(process.pid) / 1024)
                result.add("threads", threads(process.pid))
                time.sleep(FRESH_SECONDS)
                for kind in KINDS:
                    _count(counted, f"refresh, {kind}", row, one, kind)
    return starts, requests


def _count(result: Result, figure: str, row: Row, one: Place, kind: str) -> None:
    before = one.requests()
    _login(row, kind)
    time.sleep(QUIET if one.counts_url else 0)
    result.add(figure, one.requests() - before)


def _login(row: Row, kind: str) -> None:
    client = Client(row, Account(user(kind), processes.PASSWORD, ""))
    client.command("LOGOUT")
    client.close()


@contextlib.contextmanager
def _proxy(
    row: Row, one: Place, upstream: processes.Upstream, folder: Path, python: str
) -> Generator[tuple[subprocess.Popen[bytes], float]]:
    """Our proxy, and the seconds from its start until it listens."""
    config = folder / f"{one.name.replace(' ', '-')}.config"
    if not config.exists():
        config.write_text(configuration(row.port, upstream))
    command = [python, "-m", "emailproxy", "--local-server-auth", "--config-file", str(config)]
    if one.address is not None:
        command += ["--cache-store", one.address]
    log = config.with_suffix(".log")
    begun = time.perf_counter()
    with processes.started(command, log, SSL_CERT_FILE=upstream.ca_path, **one.variables) as process:
        processes.wait(process, log, lambda: processes.listens(row.port), pause=0.005)
        yield process, time.perf_counter() - begun


def configuration(port: int, upstream: processes.Upstream) -> str:
    """One listener, and an account for each kind of refresh tokens."""
    server = f"server_address = {upstream.host}\nserver_port = {upstream.imap_port}\nlocal_address = 127.0.0.1\n"
    sections = ["[emailproxy]\nconsole_listen = off\n", f"[IMAP-{port}]\n{server}"]
    sections += [
        f"[{user(kind)}]\noauth2_flow = password\ntoken_url = {upstream.token_url}\noauth2_scope = mail\n"
        f"client_id = {upstream.client_id}\nclient_secret = {upstream.client_secret}\nrefresh_tokens = {kind}\n"
        for kind in KINDS
    ]
    return "\n".join(sections)


def _got(url: str) -> dict[str, int]:
    found: dict[str, int] = processes.fetched(url)
    return found
