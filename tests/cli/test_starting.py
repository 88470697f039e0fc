"""A proxy listens before most of it is loaded; whoever comes meanwhile is served, and every mistake is still told."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from emailproxy.cli import Exit
from tests.conftest import FreePort
from tests.patience import HANG
from tests.test_cli import GOOD, read_until
from tests.test_listener import certificate

HELD = """
import sys

class Held:
    def find_spec(self, name, path=None, target=None):
        if name == "emailproxy.cli.serving":
            print("loading", flush=True)
            sys.stdin.readline()

sys.meta_path.insert(0, Held())
"""
"""The rest of the proxy is not loaded before a line is read from standard input."""

NAMED = """
import sys

class Named:
    def find_spec(self, name, path=None, target=None):
        if name == "emailproxy.cli.serving":
            print(*sys.modules, flush=True)
            sys.exit(0)

sys.meta_path.insert(0, Named())
"""
"""Prints what is loaded at the moment of listening, and ends."""

LATER = frozenset(
    [
        "argon2",
        "asyncio",
        "authlib",
        "azure",
        "boto3",
        "botocore",
        "concurrent",
        "cryptography",
        "difflib",
        "email",
        "emailproxy_backends",
        "filelock",
        "google",
        "h11",
        "httpx2",
        "hypercorn",
        "joserfc",
        "opentelemetry",
        "prometheus_client",
        "requests",
        "rich",
        "segno",
        "starlette",
        "trio",
        "trio_websocket",
        "zipfile",
    ]
)
"""Packages that nobody needs in order to listen."""

LATER_OF_OURS = frozenset(
    f"emailproxy.{name}"
    for name in [
        "app",
        "connection",
        "doctor",
        "listener",
        "oauth",
        "protocols",
        "remote",
        "session",
        "store.registry",
        "tls",
        "upstream",
    ]
) | {"importlib.metadata"}


@pytest.fixture
def port(free_port: FreePort) -> int:
    return free_port()


@pytest.fixture
def config(tmp_path: Path, port: int) -> Path:
    path = tmp_path / "emailproxy.config"
    path.write_text(GOOD.format(port=port))
    return path


@contextmanager
def started(program: str, config: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", program + "\nfrom emailproxy.cli import main\nmain()"]
    process = subprocess.Popen(
        [*words, "--local-server-auth", "--config-file", str(config), *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def is_loading(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"


def greeting(client: socket.socket) -> bytes:
    client.settimeout(HANG)
    return client.recv(4096)


@pytest.mark.parametrize("tls", [False, True])
def test_what_is_loaded_when_it_listens(config: Path, port: int, tls: bool, tmp_path: Path) -> None:
    if tls:
        path = certificate(trustme.CA(), tmp_path)
        config.write_text(config.read_text().replace("[user", f"local_certificate_path = {path}\n[user", 1))
    alone = subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, check=True)
    with started(NAMED, config) as process:
        log = read_until(process, f"listening on 127.0.0.1:{port}")
        assert process.stdout is not None
        loaded = set(process.stdout.read().split()) - set(alone.stdout.decode().split())
        assert process.wait(HANG) == 0, log
    assert "emailproxy.config.reader" in loaded
    assert {name.partition(".")[0] for name in loaded} & LATER == set()
    assert {name for late in LATER_OF_OURS for name in loaded if (name + ".").startswith(late + ".")} == set()


def test_who_connects_at_once_is_served(config: Path, port: int) -> None:
    with started(HELD, config) as process:
        read_until(process, "listening on")
        with socket.create_connection(("127.0.0.1", port)) as client:
            is_loading(process)
            go_on(process)
            assert greeting(client).startswith(b"* OK")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_no_garbage_is_looked_for_in_what_was_loaded(config: Path, port: int) -> None:
    program = "import atexit, gc\natexit.register(lambda: print(gc.isenabled(), gc.get_freeze_count() > 10_000))\n"
    with started(program, config) as process:
        read_until(process, "tokens are kept in")
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG) == Exit.STOPPED
        assert process.stdout is not None
        assert process.stdout.read() == "True True\n"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGQUIT"])
def test_a_stop_while_it_loads_is_at_once(config: Path, port: int, number: str) -> None:
    with started(HELD, config) as process:
        is_loading(process)
        process.send_signal(getattr(signal, number))
        log = read_until(process, "stopped")
        assert process.wait(HANG) == Exit.STOPPED
        assert f"{number}: stopped, before anybody was served" in log
        assert process.stderr is not None
        assert process.stderr.read() == "", "no traceback"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_stop_that_a_module_swallows_is_a_stop(config: Path) -> None:
    program = HELD.replace(
        "            sys.stdin.readline()",
        """
            try:
                sys.stdin.readline()
            except BaseException:
                pass""",
    )
    with started(program, config) as process:
        is_loading(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG) == Exit.STOPPED
        assert process.stderr is not None
        assert "SIGTERM: stopped, before anybody was served" in process.stderr.read()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_other_signals_while_it_loads_are_answered_then(config: Path) -> None:
    with started(HELD, config) as process:
        is_loading(process)
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGHUP)
        go_on(process)
        log = read_until(process, "configuration reloaded")
        assert "debug is on" in log
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG) == Exit.STOPPED


@pytest.mark.parametrize(
    ("missing", "store", "words"),
    [
        ("azure.identity", "azure:vault", "emailproxy-cloud[azure]"),
        ("boto3", "aws:prefix/", "emailproxy-cloud[aws]"),
        ("grpc", "gcp:projects/p", "emailproxy-cloud[gcp]"),
        ("", "azure:no/such/vault?x=1", "azure:"),
        ("", "file:", "names no file"),
        ("", "nosuch:store", "no store has the prefix nosuch:"),
    ],
)
def test_a_store_that_cannot_be_is_told_before_it_listens(config: Path, missing: str, store: str, words: str) -> None:
    program = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
    with started(program, config, "--cache-store", store) as process:
        assert process.stderr is not None
        told = process.stderr.read()
        assert process.wait(HANG) == Exit.CONFIGURATION, told
    assert words in told
    assert "listening" not in told
    assert "Traceback" not in told


def test_a_console_without_its_extra_is_told_before_it_listens(config: Path) -> None:
    config.write_text(config.read_text().replace("console_listen = off", "console_listen = 127.0.0.1:8025"))
    program = "from emailproxy.console import installed\ninstalled._NEEDED = ('a_package_that_nobody_has',)\n"
    with started(program, config) as process:
        assert process.stderr is not None
        told = process.stderr.read()
        assert process.wait(HANG) == Exit.CONFIGURATION, told
    assert "emailproxy-cloud[console]" in told
    assert "listening" not in told


def test_a_part_that_is_missing_ends_it_loudly(config: Path) -> None:
    program = HELD.replace("sys.stdin.readline()", "raise ModuleNotFoundError('No module named that')")
    with started(program, config) as process:
        assert process.stderr is not None
        told = process.stderr.read()
        assert process.wait(HANG) == Exit.FAILED
    assert "No module named that" in told
