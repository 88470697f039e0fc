"""Which processes take part? The simulated provider, our proxy and its rivals, each started and ended here."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Account, Row

PASSWORD = "benchmark"
START_LIMIT = 30.0
"""Seconds for a process to start listening."""


class CannotStartError(Exception):
    """A process did not start; the message holds what it wrote."""


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
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.token_url, body, timeout=START_LIMIT) as response:
            token = json.load(response)["access_token"]
        return Account(self.user, PASSWORD, token)


@contextlib.contextmanager
def started(command: list[str], log: Path, **environment: str) -> Generator[subprocess.Popen[bytes]]:
    """Run a process for the length of a block; its output goes to `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=os.environ | environment
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
def provider(folder: Path, bulk_mib: int, users: Sequence[str] = ()) -> Generator[Upstream]:
    """The simulated provider; with mailboxes of these users, whose password is ours, instead of its own."""
    port_file = folder / "provider.json"
    log = folder / "provider.log"
    command = [sys.executable, "-m", "emailproxy.testing.provider", "--port-file", str(port_file)]
    command += [word for user in users for word in ("--user", f"{user}={PASSWORD}")]
    with started([*command, "--bulk-mib", str(bulk_mib)], log) as process:
        wait(process, log, port_file.exists)
        yield Upstream.from_file(port_file)


@contextlib.contextmanager
def emailproxy(upstream: Upstream, folder: Path, python: str = sys.executable) -> Generator[Row]:
    """Our proxy, as a user would run it: with the log that it keeps by default, as every row."""
    command = [python, "-m", "emailproxy", "--local-server-auth"]
    with _proxy("emailproxy", command, upstream, folder) as row:
        yield row


@contextlib.contextmanager
def classic(program: str, upstream: Upstream, folder: Path) -> Generator[Row]:
    """The classic proxy: it reads the same file."""
    with _proxy("classic", [program, "--no-gui"], upstream, folder) as row:
        yield row


@contextlib.contextmanager
def _proxy(name: str, command: list[str], upstream: Upstream, folder: Path) -> Generator[Row]:
    port = free_port()
    config = folder / f"{name}.config"
    config.write_text(
        "[emailproxy]\nconsole_listen = off\n\n"
        f"[IMAP-{port}]\nserver_address = {upstream.host}\nserver_port = {upstream.imap_port}\n"
        f"local_address = 127.0.0.1\n\n"
        f"[{upstream.user}]\noauth2_flow = client_credentials\ntoken_url = {upstream.token_url}\n"
        f"oauth2_scope = https://mail.example.com/.default\n"
        f"client_id = {upstream.client_id}\nclient_secret = {upstream.client_secret}\n"
    )
    log = folder / f"{name}.log"
    with started([*command, "--config-file", str(config)], log, SSL_CERT_FILE=upstream.ca_path) as process:
        wait(process, log, lambda: listens(port))
        yield Row(name, "127.0.0.1", port, process.pid, "password")


@contextlib.contextmanager
def stunnel(upstream: Upstream, folder: Path) -> Generator[Row]:
    """A tunnel in C that does nothing but TLS: what a relay could cost at the least with one thread a session.

    Raises:
        CannotStartError: it is not installed.
    """
    program = shutil.which("stunnel4") or shutil.which("stunnel")
    if program is None:
        raise CannotStartError("stunnel is not installed (Debian package stunnel4)")
    port = free_port()
    config = folder / "stunnel.conf"
    log = folder / "stunnel.log"
    config.write_text(
        "foreground = yes\npid =\nsyslog = no\n[imap]\nclient = yes\n"
        f"accept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{upstream.imap_port}\n"
        f"sslVersionMin = TLSv1.2\nsni = localhost\ncheckHost = localhost\nverifyChain = yes\n"
        f"CAfile = {upstream.ca_path}\n"
        # As our proxy does: no delay for small answers on either side.
        "socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
    )
    with started([program, str(config)], log) as process:
        wait(process, log, lambda: listens(port))
        yield Row("stunnel", "127.0.0.1", port, process.pid, "token")


@contextlib.contextmanager
def nginx(upstream: Upstream, folder: Path) -> Generator[Row]:
    """Another tunnel in C, one event loop instead of threads.

    Raises:
        CannotStartError: it or its stream module is not installed.
    """
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    if program is None or not module.exists():
        raise CannotStartError("nginx is not installed (Debian packages nginx-light and libnginx-mod-stream)")
    port = free_port()
    config = folder / "nginx.conf"
    log = folder / "nginx.log"
    config.write_text(
        f"load_module {module};\ndaemon off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\n"
        f"pid {folder}/nginx.pid;\n"
        f"error_log {folder}/nginx-error.log error;\nevents {{ worker_connections 10000; }}\n"
        "stream {\n  server {\n"
        f"    listen 127.0.0.1:{port} backlog=4096;\n    proxy_pass 127.0.0.1:{upstream.imap_port};\n"
        "    proxy_ssl on;\n    proxy_ssl_protocols TLSv1.2 TLSv1.3;\n    proxy_ssl_server_name on;\n"
        "    proxy_ssl_name localhost;\n    proxy_ssl_verify on;\n    proxy_timeout 1h;\n"
        f"    proxy_ssl_trusted_certificate {upstream.ca_path};\n  }}\n}}\n"
    )
    with started([program, "-p", str(folder), "-c", str(config)], log) as process:
        wait(process, log, lambda: listens(port))
        yield Row("nginx", "127.0.0.1", port, process.pid, "token")


def free_port() -> int:
    """A loopback port that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool], pause: float = 0.05) -> None:
    """Wait until `ready` says so.

    Raises:
        CannotStartError: it ended, or took too long.
    """
    deadline = time.monotonic() + START_LIMIT
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise CannotStartError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(pause)
