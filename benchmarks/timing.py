"""Does the time of a refusal tell who has an account? Unknown names against wrong passwords, in turn.

Each attempt comes from another address (by the PROXY protocol), as those of a guesser who has many do: otherwise the
throttle's delays would be all there is to see. Every password is a new one, and the order within each pair is drawn.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Final

from benchmarks.client import Account, Client, Row
from benchmarks.difference import mann_whitney, welch
from benchmarks.processes import PASSWORD, Upstream, free_port, listens, started, wait

__all__ = ["KINDS", "Comparison", "measure", "proxies", "report"]

KINDS: Final = ("compatible", "managed")
PROTOCOLS: Final = ("IMAP", "POP", "SMTP")
TOGETHER: Final = 2
"""Attempts at a time: as many as the proxy has threads for checks, so that they do not queue."""
ERROR: Final = 0.01
"""How often all comparisons together may see a difference where there is none."""
LIMIT: Final = 30.0


@dataclass(frozen=True)
class Target:
    """One proxy with one account."""

    kind: str
    user: str
    nobody: str
    """A name of the same length that is no account."""
    ports: dict[str, int]


@dataclass
class Comparison:
    """One protocol at one proxy."""

    kind: str
    protocol: str
    wrong: list[float] = field(default_factory=list)
    """Milliseconds to refuse a wrong password."""
    unknown: list[float] = field(default_factory=list)
    """Milliseconds to refuse an unknown name."""

    @property
    def chances(self) -> tuple[float, float]:
        """The p-values of both tests."""
        return mann_whitney(self.wrong, self.unknown), welch(self.wrong, self.unknown)

    def differs(self, comparisons: int) -> bool:
        """Whether either test sees a difference (Bonferroni: of two tests in each of `comparisons`)."""
        return min(self.chances) < ERROR / (2 * comparisons)


@contextlib.contextmanager
def proxies(upstream: Upstream, folder: Path) -> Generator[list[Target]]:
    """A proxy with a compatible account and one with a managed one; both have logged in once."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(_proxy(kind, upstream, folder)) for kind in KINDS]


@contextlib.contextmanager
def _proxy(kind: str, upstream: Upstream, folder: Path) -> Generator[Target]:
    plain, *ports = (free_port() for _ in range(4))
    config, key = folder / f"{kind}.config", folder / f"{kind}.key"
    server = f"server_address = {upstream.host}\nserver_port = {upstream.imap_port}\nlocal_address = 127.0.0.1\n"
    introduced = "proxy_protocol = True\nproxy_protocol_from = 127.0.0.0/8\n"
    sections = [f"[IMAP-{plain}]\n{server}"]
    sections += [f"[{name}-{port}]\n{server}{introduced}" for name, port in zip(PROTOCOLS, ports, strict=True)]
    settings = "console_listen = off\n"
    if kind == "managed":
        _run("seal", "init", str(key))
        settings += f"seal_key = file:{key}\n"
    config.write_text(
        "\n".join(sections) + f"\n[emailproxy]\n{settings}\n"
        f"[{upstream.user}]\noauth2_flow = client_credentials\ntoken_url = {upstream.token_url}\n"
        f"oauth2_scope = https://mail.example.com/.default\n"
        f"client_id = {upstream.client_id}\nclient_secret = {upstream.client_secret}\n"
    )
    password = PASSWORD
    if kind == "managed":
        password = _run("--config-file", str(config), "passwords", "add", upstream.user)
    log = folder / f"{kind}.log"
    command = [sys.executable, "-m", "emailproxy", "--local-server-auth", "--config-file", str(config)]
    with started(command, log, SSL_CERT_FILE=upstream.ca_path) as process:
        wait(process, log, lambda: all(listens(port) for port in (plain, *ports)))
        row = Row(kind, "127.0.0.1", plain, process.pid, "password")
        Client(row, Account(upstream.user, password, "")).close()
        local, _, domain = upstream.user.rpartition("@")
        nobody = f"{'q' * len(local)}@{domain}"
        yield Target(kind, upstream.user, nobody, dict(zip(PROTOCOLS, ports, strict=True)))


def _run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "emailproxy", *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def measure(targets: Sequence[Target], *, rounds: int, seed: int = 0) -> list[Comparison]:
    """Both kinds of attempts, `rounds` times at each protocol of each target, all interleaved."""
    draw = random.Random(seed)
    addresses = _addresses()
    comparisons = {(t.kind, protocol): Comparison(t.kind, protocol) for t in targets for protocol in PROTOCOLS}
    jobs: list[tuple[Target, str, bool, str]] = []
    for _ in range(rounds):
        batch = [(target, protocol, known) for target in targets for protocol in PROTOCOLS for known in (True, False)]
        draw.shuffle(batch)
        jobs += [(*job, next(addresses)) for job in batch]
    with ThreadPoolExecutor(TOGETHER) as threads:
        for job, taken in zip(jobs, threads.map(_attempt, jobs), strict=True):
            target, protocol, known, _ = job
            comparison = comparisons[target.kind, protocol]
            (comparison.wrong if known else comparison.unknown).append(taken * 1000)
    return list(comparisons.values())


def _addresses() -> Iterator[str]:
    """Addresses that nobody has, no two in one network."""
    for number in itertools.count(1):
        yield f"198.{18 + (number >> 16) % 2}.{number >> 8 & 255}.{number & 255}"


def _attempt(job: tuple[Target, str, bool, str]) -> float:
    """Seconds from the credentials to the refusal."""
    target, protocol, known, source = job
    user = target.user if known else target.nobody
    password = base64.b32encode(os.urandom(10)).decode().lower()
    with socket.create_connection(("127.0.0.1", target.ports[protocol]), LIMIT) as peer, peer.makefile("rb") as heard:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def say(text: str) -> None:
            peer.sendall(f"{text}\r\n".encode())

        say(f"PROXY TCP4 {source} 127.0.0.1 40000 993")
        heard.readline()
        match protocol:
            case "IMAP":
                last = f"a LOGIN {user} {password}"
            case "POP":
                say(f"USER {user}")
                heard.readline()
                last = f"PASS {password}"
            case _:
                say("EHLO benchmark")
                while not heard.readline().startswith(b"250 "):
                    pass
                last = f"AUTH PLAIN {base64.b64encode(f'{chr(0)}{user}{chr(0)}{password}'.encode()).decode()}"
        start = time.perf_counter()
        say(last)
        answer = heard.readline()
        taken = time.perf_counter() - start
    if not answer.startswith((b"a NO [AUTHENTICATIONFAILED]", b"-ERR [AUTH]", b"535 ")):
        raise RuntimeError(f"{target.kind} {protocol}: a guess was answered {answer[:200]!r}")
    return taken


def report(comparisons: Sequence[Comparison], *, as_json: bool) -> str:
    """Means, medians, p-values and the verdict."""
    if as_json:
        return json.dumps([vars(each) | {"p": each.chances} for each in comparisons])
    lines = [
        f"Refusals in milliseconds: {len(comparisons[0].wrong)} wrong passwords and as many unknown names, interleaved",
        f"{'':16}{'wrong: mean':>14}{'median':>10}{'unknown: mean':>16}{'median':>10}{'p (U)':>9}{'p (Welch)':>11}",
    ]
    for each in comparisons:
        by_rank, by_mean = each.chances
        lines.append(
            f"{each.kind + ' ' + each.protocol:16}{fmean(each.wrong):14.2f}{median(each.wrong):10.2f}"
            f"{fmean(each.unknown):16.2f}{median(each.unknown):10.2f}{by_rank:9.3f}{by_mean:11.3f}"
        )
    differing = [f"{each.kind} {each.protocol}" for each in comparisons if each.differs(len(comparisons))]
    threshold = f"p below {ERROR / (2 * len(comparisons)):.1e}: {ERROR:.0%} for all comparisons and both tests together"
    verdict = f"a difference in {', '.join(differing)}" if differing else "no difference that time could tell"
    return "\n".join([*lines, f"Verdict: {verdict} ({threshold})"])
