"""How does a process take part? Started for the length of a block, on its processor; and the simulated provider."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.client import Account, Row
from benchmarks.pinning import Pins

PASSWORD = "benchmark"
START_LIMIT = 300.0
"""Seconds for a process to start listening: a hundred thousand accounts take a while on a busy machine."""


PORTS = range(10_000, 12_000)
"""Below those that systems hand out for connections (32,768 on Linux): one of thousands that a run opens could else get
a port before the program that was told to listen there, or reach itself at it."""

UNPINNED = Pins()


class CannotStartError(Exception):
    """A process did not start; the message holds what it wrote."""


@dataclass(frozen=True)
class Place:
    """Where a run happens."""

    folder: Path
    pins: Pins = field(default_factory=Pins)
    python: str = sys.executable
    """The interpreter of our proxy."""

    def within(self, folder: Path) -> Place:
        """The same in another folder."""
        return dataclasses.replace(self, folder=folder)


@dataclass(frozen=True)
class Upstream:
    """The simulated provider, as its port file describes it."""

    pid: int
    host: str
    imap_port: int
    token_url: str
    ca_path: str
    user: str
    client_id: str
    client_secret: str
    pop3_port: int = 0
    smtp_port: int = 0
    authorization_url: str = ""

    @classmethod
    def from_file(cls, path: Path) -> Upstream:
        """Read what ``python -m emailproxy.testing.provider --port-file`` wrote."""
        values = json.loads(path.read_text())
        return cls(**{name: values[name] for name in cls.__dataclass_fields__})

    def account(self) -> Account:
        """The user, with a fresh access token for tunnels."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        body = urllib.parse.urlencode(form).encode()
        answer = fetched(self.token_url, body)
        return Account(self.user, PASSWORD, answer["access_token"])

    def switch(self, **switches: object) -> None:
        """Let the provider behave differently from now on (emailproxy.testing.provider.switches)."""
        fetched(self.token_url.rpartition("/")[0] + "/control", json.dumps(switches).encode())

    @property
    def certificate(self) -> Path:
        """A certificate for localhost, which a row shows to clients that speak TLS."""
        return Path(self.ca_path).with_name("server.pem")

    @property
    def key(self) -> Path:
        """Its private key."""
        return Path(self.ca_path).with_name("server.key")

    def trust(self) -> ssl.SSLContext:
        """What a client of ours trusts."""
        return ssl.create_default_context(cafile=self.ca_path)

    def direct(self) -> Row:
        """The provider itself as a row, over TLS: what a connection without anybody in between costs the client."""
        return Row("direct", "127.0.0.1", 0, self.pid, "token", {"imaps": self.imap_port}, self.trust())


def fetched(url: str, body: bytes | None = None) -> Any:
    """What a URL on this machine answers, from JSON."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, body, timeout=START_LIMIT) as response:
        return json.load(response)


def inherited() -> dict[str, str]:
    """Our environment, in which Python may keep what it has compiled, as an installed program does."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextlib.contextmanager
def started(command: list[str], log: Path, **environment: str) -> Generator[subprocess.Popen[bytes]]:
    """Run a process for the length of a block; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=inherited() | environment
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def provider(
    folder: Path, bulk_mib: int, users: Sequence[str] = (), pins: Pins = UNPINNED, *, tickets: bool = True
) -> Generator[Upstream]:
    """The simulated provider; with mailboxes of these users, whose password is ours, instead of its own.

    Without `tickets` it hands out none, so that no TLS session can be resumed.
    """
    port_file = folder / "provider.json"
    log = folder / "provider.log"
    command = [sys.executable, "-m", "emailproxy.testing.provider", "--port-file", str(port_file)]
    command += [word for user in users for word in ("--user", f"{user}={PASSWORD}")]
    command += [] if tickets else ["--no-tls-tickets"]
    command += ["--bulk-mib", str(bulk_mib)]
    with started(pins.command(command, row=False), log) as process:
        wait(process, log, port_file.exists)
        yield Upstream.from_file(port_file)


def available() -> set[int]:
    """The processors that we may use."""
    return os.sched_getaffinity(0)


def free_port() -> int:
    """A loopback port that nobody uses right now, and that the system gives to nobody who asks for any."""
    for port in random.sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise CannotStartError(f"every port from {PORTS[0]} to {PORTS[-1]} is taken")


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def greets(port: int) -> bool:
    """Whether somebody serves there: says the first words of IMAP, POP3 or SMTP."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            return bool(client.recv(1))
    except OSError:
        return False


def wait(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool], pause: float = 0.005) -> None:
    """Wait until `ready` says so.

    Raises:
        CannotStartError: it ended, or took too long.
    """
    deadline = time.monotonic() + START_LIMIT
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotStartError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(pause)
