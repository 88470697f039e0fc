"""Does what the Containerfile makes run as in a cluster: not as root, on a tree that it cannot write, as process 1?

No engine is needed: the steps are replayed (`tests.deploy.containerfile`), and bubblewrap gives the tree, the user and
the namespaces that an engine would give.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.deploy.conftest import cannot, tool
from tests.deploy.containerfile import Image, replayed
from tests.patience import HANG
from tests.ports import reserve

IMAGE_USER = 65532
USER = "user@example.com"
AS_USER: Final[dict[str, Any]] = {"user": IMAGE_USER, "group": IMAGE_USER, "extra_groups": []}
"""Really not root, here either."""
PROVIDER_PASSWORD = "the provider's"


def _open_folder(name: str) -> Path:
    """A folder that the image's user can reach, unlike pytest's, and unlike one that TMPDIR may name."""
    folder = Path(tempfile.mkdtemp(prefix=f"emailproxy-{name}-", dir="/tmp"))
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    base, wheels = tool("EMAILPROXY_DEBIAN"), tool("EMAILPROXY_WHEELS")
    if os.geteuid() != 0:
        cannot("only root can replay the Containerfile")
    room = _open_folder("image")
    pip = "[global]\nno-index = true\nfind-links = /srv/wheels\n"
    try:
        # In memory: what is built is some thousand small files, and is forgotten.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=2g", "tmpfs", str(room)], check=True)
        made = replayed(base, room, {"/srv/wheels": wheels, "/etc/pip.conf": pip})
        # What every engine puts in place.
        for name in ("hosts", "resolv.conf"):
            (made.root / "etc" / name).touch()
        yield made
    finally:
        for place in (room / "build", room):
            subprocess.run(["umount", "--lazy", str(place)], check=False)
        room.rmdir()


def run(image: Image, words: Sequence[str], config: Path, authority: Path | None = None) -> list[str]:
    """The command that starts the words in the image as an engine would with ``--read-only --cap-drop all``."""
    program = shutil.which("bwrap")
    if program is None:
        cannot("bubblewrap is not installed")
    user, _, group = image.user.partition(":")
    assert int(user) == int(group) == IMAGE_USER
    environment = dict(image.environment)
    trusted: list[str] = []
    if authority is not None:
        environment["SSL_CERT_FILE"] = "/etc/ssl/certs/ca-certificates.crt"
        trusted = ["--ro-bind", str(authority), environment["SSL_CERT_FILE"]]
    return [
        program,
        *("--ro-bind", str(image.root), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),
        *("--tmpfs", "/run/emailproxy", "--ro-bind", str(config.parent), "/etc/emailproxy"),
        *("--ro-bind", "/etc/hosts", "/etc/hosts"),
        *trusted,
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--as-pid-1", "--die-with-parent"),
        *("--uid", user, "--gid", group, "--cap-drop", "ALL", "--clearenv"),
        *(word for pair in environment.items() for word in ("--setenv", *pair)),
        *words,
    ]


@dataclass
class Running:
    process: subprocess.Popen[str]
    log: Path
    imap: int
    health: int

    @property
    def proxy(self) -> int:
        """The process id, here, of what is process 1 in the container."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0])

    def await_ready(self) -> None:
        deadline = time.monotonic() + 20
        while " ready: " not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def config() -> Iterator[tuple[Path, int, int]]:
    """A configuration for a simulated provider on this machine; the ports of IMAP and of the health checks."""
    folder = _open_folder("provider")
    addresses = folder / "addresses.json"
    provider = subprocess.Popen(
        [
            *(sys.executable, "-m", "emailproxy.testing.provider", "--port-file", str(addresses)),
            *("--user", f"{USER}={PROVIDER_PASSWORD}"),
        ],
        stdout=subprocess.DEVNULL,
    )
    ports = contextlib.ExitStack()
    try:
        deadline = time.monotonic() + 20
        while not addresses.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        known = json.loads(addresses.read_text())
        imap, health, console = reserve(ports), reserve(ports), reserve(ports)
        path = folder / "emailproxy.config"
        path.write_text(f"""\
[IMAP-{imap}]
local_address = 127.0.0.1
server_address = localhost
server_port = {known["imap_starttls_port"]}
server_starttls = True

[{USER}]
oauth2_flow = password
token_url = {known["token_url"]}
oauth2_scope = mail
client_id = {known["client_id"]}
client_secret = {known["client_secret"]}

[emailproxy]
metrics_listen = 127.0.0.1:{health}
console_listen = 127.0.0.1:{console}
""")
        path.chmod(0o644)
        shutil.copy(known["ca_path"], folder / "ca.pem")
        (folder / "ca.pem").chmod(0o644)
        yield path, imap, health
    finally:
        ports.close()
        provider.terminate()
        provider.wait(HANG)
        shutil.rmtree(folder)


@pytest.fixture
def running(image: Image, config: tuple[Path, int, int], tmp_path: Path) -> Iterator[Running]:
    path, imap, health = config
    log = tmp_path / "log"
    command = run(
        image,
        [*image.entrypoint, *image.command, "--cache-store=file:/run/emailproxy/tokens"],
        path,
        path.parent / "ca.pem",
    )
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True, **AS_USER)
    try:
        yield Running(process, log, imap, health)
    finally:
        process.kill()
        process.wait()


def test_a_mail_client_through_the_container(image: Image, running: Running, config: tuple[Path, int, int]) -> None:
    running.await_ready()
    # Process 1, under the image's user, without a capability.
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{running.proxy}/status").read_text().splitlines())
    assert status["Uid"].split()[0] == str(IMAGE_USER)
    assert status["NSpid"].split()[-1] == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert "cannot be" not in running.log.read_text()

    client = ["curl", "--silent", "--show-error", "--user", f"{USER}:{PROVIDER_PASSWORD}"]
    done = subprocess.run(
        [*client, f"imap://127.0.0.1:{running.imap}/", "--request", "STATUS INBOX (MESSAGES)"],
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert "* STATUS" in done.stdout, done.stderr + running.log.read_text()

    # The health check, in the image and with nothing else.
    probe = [*image.healthcheck, str(running.health)]
    subprocess.run(run(image, probe, config[0]), timeout=HANG, check=True, **AS_USER)

    # The signal that an engine sends to process 1.
    os.kill(running.proxy, getattr(signal, image.stop_signal))
    assert running.process.wait(HANG) == 0, running.log.read_text()
    assert "Traceback" not in running.log.read_text()
    done = subprocess.run(
        run(image, probe, config[0]), capture_output=True, text=True, timeout=HANG, check=False, **AS_USER
    )
    assert done.returncode == 1
    assert "metrics_listen" in done.stderr


def test_there_is_no_other_program(image: Image) -> None:
    programs = {path.name for path in (image.root / "usr" / "bin").iterdir()}
    assert programs == {"python3", "python3.11"}
    assert not [path for path in (image.root / "usr" / "sbin").iterdir() if not path.is_dir()]
    names = {path.name for path in (image.root / "opt" / "emailproxy" / "bin").iterdir()}
    assert {"emailproxy", "python"} <= names
    assert not {"pip", "pip3"} & names
    assert not list(image.root.rglob("site-packages/pip"))


def test_nothing_grants_privileges_and_nothing_can_be_written(image: Image) -> None:
    writable = set()
    for path in image.root.rglob("*"):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            continue
        assert not found.st_mode & (stat.S_ISUID | stat.S_ISGID), path
        if found.st_uid == 65532 or found.st_mode & stat.S_IWOTH:
            writable.add("/" + str(path.relative_to(image.root)))
    assert writable == {"/tmp", "/run/emailproxy", "/var/lib/emailproxy"}


def test_scanners_find_the_packages(image: Image) -> None:
    listed = {path.name for path in (image.root / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "libssl3", "python3.11-minimal"} <= listed
    assert "Version:" in (image.root / "var/lib/dpkg/status.d/libssl3").read_text()


def test_no_file_of_the_build_is_left(image: Image) -> None:
    for name in ("src", "wheels", "build", "srv"):
        assert not (image.root / name).exists()
