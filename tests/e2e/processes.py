"""How does the harness start, watch and end a server of its own?"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.patience import HANG

__all__ = ["Process", "free_ports"]

_POLL = 0.02
_STOP_SECONDS = HANG
"""A server that does not end after this long is killed, and the test that needed it fails."""


_PORTS = range(12_000, 32_000)
"""Below those that the system hands out for connections (32,768 on Linux): what was free a moment ago is free when the
server that shall have it has started."""
_PORTS_EACH = 1000
"""For each process that runs tests, pytest's workers and those of another run on this machine."""


@functools.cache
def _ports() -> Iterator[int]:
    """The ports that are this process's alone, round and round. It holds the first of them as long as it lives."""
    for first in _PORTS[::_PORTS_EACH]:
        with contextlib.suppress(OSError), socket.socket() as claim:
            claim.bind(("127.0.0.1", first))
            claim.detach()
            return itertools.cycle(range(first + 1, first + _PORTS_EACH))
    raise AssertionError(f"every range of {_PORTS_EACH} ports from {_PORTS[0]} on is taken")


def free_ports(count: int) -> list[int]:
    """Loopback ports that are free, all different."""
    found: list[int] = []
    for port in itertools.islice(_ports(), _PORTS_EACH):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} free ports on 127.0.0.1")


class Process:
    """A child whose standard output and error are one log file that can be waited on."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str],
        *,
        terminal: bool = False,
    ) -> None:
        self.name = name
        self._keyboard: int | None = None
        stdin = subprocess.DEVNULL
        if terminal:
            self._keyboard, stdin = os.openpty()
        self.log = log
        with log.open("wb") as out:
            self._child = subprocess.Popen(
                [str(word) for word in command],
                stdin=stdin,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=dict(environment),
            )

        if self._keyboard is not None:
            os.close(stdin)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def output(self) -> str:
        """Everything said so far."""
        return self.log.read_text(errors="replace")

    def tail(self) -> str:
        """The end of what was said, for a failure message."""
        return f"--- {self.name} said ---\n" + "\n".join(self.output().splitlines()[-40:])

    def wait_for(self, pattern: str, seconds: float = HANG, *, after: int = 0) -> re.Match[str]:
        """Wait until the output beyond character `after` matches; the match.

        Raises:
            AssertionError: it ended, or did not say it in time; the message holds the end of the output.
        """
        compiled = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + seconds
        while True:
            ended = self._child.poll()
            if found := compiled.search(self.output(), after):
                return found
            if ended is not None:
                raise AssertionError(f"{self.name} ended with {ended} before saying {pattern!r}\n{self.tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} did not say {pattern!r} within {seconds} s\n{self.tail()}")
            time.sleep(_POLL)

    def type_line(self, text: str) -> None:
        """What a person types at its terminal."""
        assert self._keyboard is not None, "it was started without a terminal"
        os.write(self._keyboard, text.encode() + b"\n")

    def signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Wait until it ends by itself; its exit status.

        Raises:
            AssertionError: it went on.
        """
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds} s\n{self.tail()}") from None

    def stop(self) -> int:
        """SIGTERM, then SIGKILL if it must be; its exit status."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._keyboard is not None:
            os.close(self._keyboard)
            self._keyboard = None
        return self._child.returncode
