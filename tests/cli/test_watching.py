"""``emailproxy watch`` beside a real proxy: lines in a pipe, JSON, and a live view in a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trio

from emailproxy.cli.watching import line_of
from emailproxy.console.messages import (
    Account,
    AccountGone,
    Doctor,
    DoctorDone,
    Envelope,
    Listener,
    ListenerGone,
    Login,
    Message,
    Notice,
    Pending,
    PendingGone,
    Proxy,
    Session,
    SessionClosed,
    Store,
    Traffic,
)
from tests.conftest import FreePort
from tests.patience import HANG

from .running import UNATTENDED, USER, Running, running_proxy
from .support import assert_no_secret


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_proxy(tmp_path_factory.mktemp("proxy"), **UNATTENDED) as running:
        yield running


class Watcher:
    """A command that goes on, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes], read: Callable[[], bytes]) -> None:
        self.process = process
        self._read = read
        self._said = b""
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def _collect(self) -> None:
        while True:
            try:
                data = self._read()
            except OSError:  # EIO: the terminal's other end is closed
                data = b""
            with self._changed:
                self._said += data
                self._changed.notify_all()
            if not data:
                return

    def until(self, pattern: str) -> str:
        """What was said, as soon as it has `pattern`."""
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, self.said), HANG)
        assert found, self.said
        return self.said

    @property
    def said(self) -> str:
        return self._said.decode("utf-8", "replace")

    def end(self) -> int:
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(HANG)
        self._thread.join(HANG)
        assert_no_secret(self.said)
        return status


@contextmanager
def watching(proxy: Running, *flags: str, terminal: bool = False) -> Iterator[Watcher]:
    command = [sys.executable, "-m", "emailproxy", "--config-file", str(proxy.path), "watch", *flags]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    if terminal:
        ours, theirs = os.openpty()
        process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        watcher = Watcher(process, lambda: os.read(ours, 65536))
    else:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert process.stdout is not None
        ours = os.dup(process.stdout.fileno())
        process.stdout.close()
        watcher = Watcher(process, lambda: os.read(ours, 65536))
    try:
        yield watcher
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        watcher._thread.join(HANG)
        os.close(ours)


def test_lines_in_a_pipe(proxy: Running) -> None:
    with watching(proxy) as watcher:
        watcher.until(r"proxy \S+, process \d+: 0 sessions, 1 account")
        assert proxy.login().startswith("a OK")
        watcher.until(r"UTC  session \w{8} opened by 127\.0\.0\.1:\d+ at IMAP-\d+")
        watcher.until(rf"UTC  login ok of {USER} from 127\.0\.0\.1:\d+ at IMAP-\d+ in \d+ ms")
        proxy.leave()
        said = watcher.until(r"UTC  session \w{8} closed after \d+ s: ")
        assert "\x1b" not in said
        assert watcher.end() == 0
    assert said.endswith("\n")


def test_json_lines(proxy: Running) -> None:
    with watching(proxy, "--json") as watcher:
        watcher.until("snapshot")
        assert proxy.login().startswith("a OK")
        watcher.until('"type":"login"')
        watcher.end()
        told = watcher.said.splitlines()
    messages = [json.loads(line) for line in told]
    assert messages[0]["type"] == "snapshot"
    assert [each["sequence"] for each in messages[1:]] == list(
        range(messages[0]["sequence"] + 1, messages[0]["sequence"] + len(messages))
    )
    proxy.leave()


def test_a_live_view_in_a_terminal(proxy: Running) -> None:
    with watching(proxy, terminal=True) as watcher:
        watcher.until("emailproxy .*ready.*up ")
        assert proxy.login().startswith("a OK")
        watcher.until(f"{USER}.*127.0.0.1")
        said = watcher.until("last logins")
        watcher.end()
    assert "\x1b[?1049h" in said, "a screen of its own, so that the terminal's content comes back"
    assert "\x1b[?1049l" in watcher.said
    proxy.leave()


def test_a_reader_that_has_seen_enough(proxy: Running) -> None:
    command = [sys.executable, "-m", "emailproxy", "--config-file", str(proxy.path), "watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"snapshot" in process.stdout.readline()
        process.stdout.close()
        assert proxy.login().startswith("a OK")
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait(HANG)) == (b"", 0)
    proxy.leave()


class Wire:
    """Between a watcher and the console; it can be cut."""

    def __init__(self, port: int, console: int) -> None:
        self._console = console
        self.port = port
        self._streams: set[trio.SocketStream] = set()

    async def start(self) -> None:
        [listener] = await trio.open_tcp_listeners(self.port, host="127.0.0.1")
        self._listener = listener
        trio.lowlevel.spawn_system_task(self._serve)

    async def _serve(self) -> None:
        while True:
            try:
                near = await self._listener.accept()
            except trio.ClosedResourceError:
                return
            far = await trio.open_tcp_stream("127.0.0.1", self._console)
            self._streams |= {near, far}
            for source, sink in ((near, far), (far, near)):
                trio.lowlevel.spawn_system_task(self._carry, source, sink)

    async def _carry(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        try:
            async for data in source:
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(sink)

    async def cut(self) -> None:
        for stream in self._streams:
            await trio.aclose_forcefully(stream)
        self._streams.clear()

    async def end(self) -> None:
        await self.cut()
        await self._listener.aclose()


def test_it_comes_back_and_misses_nothing(proxy: Running, free_port: FreePort) -> None:
    wire = Wire(free_port(), proxy.console)
    proxy.call(wire.start)
    try:
        with watching(proxy, "--json", "--url", f"http://127.0.0.1:{wire.port}") as watcher:
            watcher.until("snapshot")
            proxy.call(wire.cut)
            assert proxy.login().startswith("a OK")
            watcher.until("coming back in")
            said = watcher.until('"type":"login"')
            watcher.end()
    finally:
        proxy.call(wire.end)
    assert '"type":"resumed"' in said
    told = [json.loads(line) for line in watcher.said.splitlines() if line.startswith("{")]
    sequences = [each["sequence"] for each in told if each["type"] != "resumed"]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences))), "each once, none missed"
    proxy.leave()


SAID: list[tuple[Message, str | None]] = [
    (Proxy("1", 1, 1.0, "c", True, False, None, ()), "proxy is ready"),
    (Proxy("1", 1, 1.0, "c", True, True, None, ()), "proxy is stopping"),
    (Listener("IMAP-1", "IMAP", ("a:1",), "tls", "h:993 (TLS)", None), "IMAP-1 listens at a:1 for h:993 (TLS)"),
    (ListenerGone("IMAP-1"), "IMAP-1 listens no more"),
    (Session("s", "L", "IMAP", "c", "ada\r\n", 1.0, 2.0, 0, 0), "session s of ada   from c"),
    (SessionClosed("s", "stopped", 1024, 0, 61.0), "session s closed after 1 min: stopped; 1.0 KiB up, 0 B down"),
    (Traffic((("s", 1, 1),)), None),
    (
        Login("ada", "c", "IMAP", "L", "PLAIN", "temporary", 12.3, "7F3A"),
        "login failed (temporary, ref 7F3A) of ada from c at L in 12 ms",
    ),
    (Account("ada", "needs_consent", "why", "f", False, None, None, None, ""), "account ada: needs consent, why"),
    (
        Pending("p", "ada", 1.0, 2.0, "https://secret", "AB-CD", None, None, "r", False),
        "account ada waits for consent, code AB-CD; emailproxy authorise ada",
    ),
    (AccountGone("ada"), "account ada is not in the configuration any more"),
    (PendingGone("p", "ada", "denied"), "account ada: authorisation denied"),
    (Store("a", True, True, 1.0, None, 1, 1, 0, (), 0), None),
    (Store("a", True, False, 1.0, "down", 1, 1, 1, (), 0), "store a does not answer: down"),
    (Notice("warning", "l", "m", None, "do this", 1.0), "warning: m -> do this"),
    (Doctor("r", None, "TLS", "running", None, "", None), None),
    (Doctor("r", None, "TLS", "failed", 1.0, "no", None, "IMAP h"), "doctor r: IMAP h TLS: failed no"),
    (DoctorDone("r", None, 1), "doctor r is done: 1 failure"),
]


@pytest.mark.parametrize(
    ("message", "words"), [pytest.param(m, w, id=f"{i}-{m.type}") for i, (m, w) in enumerate(SAID)]
)
def test_the_line_of_each_message(message: Message, words: str | None) -> None:
    line = line_of(Envelope("s", 1, 0.0, message.type, message))
    assert line == (f"1970-01-01 00:00:00 UTC  {words}" if words is not None else None)


def test_what_a_newer_proxy_says() -> None:
    assert line_of(Envelope("s", 1, 0.0, "news", None)) is None
