"""How does a test get a machine? A clean Debian under systemd, booted beside us and forgotten when it stops.

``systemd-nspawn --volatile=overlay``: the tree is read-only and what the machine writes is in memory, so that stopping
one machine and starting another is what replacing a virtual machine is. It has its own processes, users and services;
the network is the namespace that it is given.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from pathlib import Path

from tests.deploy.cgroups import own_group
from tests.deploy.conftest import cannot, tool

__all__ = ["Machine", "booted"]

SEED = "/var/lib/cloud/seed/nocloud"
BOOT_SECONDS = 180
STOP_SECONDS = 60

_IMAGE = """\
# What an image for the cloud has settled, and this one has not.
locale: C.UTF-8
ssh_genkeytypes: [ed25519]
"""


class Machine:
    """A running machine."""

    def __init__(self, leader: int, log: Path) -> None:
        self._leader = leader
        self._log = log

    def run(self, *command: str, check: bool = True, stdin: str | None = None, seconds: float = 120) -> str:
        """What the command says there, as root."""
        done = subprocess.run(
            ["nsenter", "--target", str(self._leader), "--all", "--", *command],
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def succeeds(self, *command: str) -> bool:
        """Whether the command ends with status 0 there."""
        try:
            self.run(*command)
        except AssertionError:
            return False
        return True

    def await_command(self, *command: str, seconds: float) -> None:
        """Return when the command ends with status 0."""
        deadline = time.monotonic() + seconds
        while not self.succeeds(*command):
            assert time.monotonic() < deadline, f"{command} has not succeeded in {seconds} s\n{self.story()}"
            time.sleep(0.1)

    def lose(self) -> None:
        """Cut it off in the middle of whatever it does; nothing is written any more."""
        os.kill(self._leader, signal.SIGKILL)

    def journal(self) -> str:
        """What the service has said."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit=emailproxy.service")

    def await_journal(self, words: str, seconds: float) -> str:
        """The journal, as soon as the words are in it."""
        deadline = time.monotonic() + seconds
        while words not in (text := self.journal()):
            assert time.monotonic() < deadline, f"the journal does not say {words!r}\n{self.story()}"
            time.sleep(0.1)
        return text

    def story(self) -> str:
        """Everything that explains a failure."""
        parts = [
            self.run("cat", "/var/log/cloud-init-output.log", check=False),
            self.run("systemctl", "--no-pager", "--full", "status", "emailproxy.service", check=False),
            self.run("journalctl", "--no-pager", "--lines=60", check=False),
            self._log.read_text(errors="replace"),
        ]
        return "\n--\n".join(parts)


@contextlib.contextmanager
def booted(folder: Path, *, namespace: Path, user_data: str, files: Mapping[str, str | Path]) -> Generator[Machine]:
    """A machine that boots with this user data, until the end of the block.

    Args:
        folder: for what belongs to it here.
        namespace: the file of its network namespace.
        user_data: for cloud-init.
        files: what an image for this test has beside the packages: the text of a file there, or the path of one here,
            which is then read-only.
    """
    root = tool("EMAILPROXY_DEBIAN")
    if os.geteuid() != 0:
        cannot("only root can boot a machine")
    seed = folder / "seed"
    seed.mkdir(parents=True)
    (seed / "user-data").write_text(user_data)
    (seed / "meta-data").write_text(f"instance-id: {folder.name}\nlocal-hostname: mail\n")
    binds = {SEED: seed, "/etc/cloud/cloud.cfg.d/90-image.cfg": folder / "image.cfg"}
    (folder / "image.cfg").write_text(_IMAGE)
    for index, (place, content) in enumerate(files.items()):
        if isinstance(content, Path):
            binds[place] = content
        else:
            binds[place] = folder / f"file-{index}"
            binds[place].write_text(content)
    log = folder / "console.log"
    with own_group(f"emailproxy-{os.getpid()}-{folder.name}") as groups, log.open("wb") as out:
        command = [
            "systemd-nspawn",
            "--quiet",
            f"--directory={root}",
            "--volatile=overlay",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            "--resolv-conf=off",
            "--timezone=off",
            f"--machine={folder.name}",
            f"--network-namespace-path={namespace}",
            *(f"--bind-ro={here}:{place}" for place, here in binds.items()),
        ]
        enter = "".join(f"echo $$ > {group}/cgroup.procs && " for group in groups)
        process = subprocess.Popen(
            ["/bin/sh", "-c", enter + 'exec "$@"', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "UNIFIED_CGROUP_HIERARCHY": "1"},
        )
        try:
            machine = Machine(_leader(process, log), log)
            machine.await_command("test", "-S", "/run/systemd/private", seconds=BOOT_SECONDS)
            yield machine
        finally:
            _stop(process)


def _leader(process: subprocess.Popen[bytes], log: Path) -> int:
    """The first process of the machine, once it is its systemd."""
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"systemd-nspawn ended\n{log.read_text(errors='replace')}"
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for child in children:
                # systemd-nspawn has helpers of its own name, and what is left of them for a moment has no arguments.
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        time.sleep(0.02)
    raise AssertionError(f"no machine after {BOOT_SECONDS} s\n{log.read_text(errors='replace')}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """As a power button would; what does not react is cut off."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
