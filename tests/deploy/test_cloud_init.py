"""Does our user data turn an empty machine into a working proxy, and can that machine be replaced by another one?

Debian boots under systemd, cloud-init itself reads the user data, and nothing is configured for a test but which
authority is trusted and where pip finds packages: Azure's names, ports and addresses are real (`tests.deploy.cloud`).
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml

from emailproxy.config.sealkey import new_key_text
from tests.deploy.cloud import ADDRESSES, APPLICATION, PERSON, PUBLIC_CLIENT, SEAL_KEY, SHARED, hosts_file
from tests.deploy.conftest import cannot, tool
from tests.deploy.machine import Machine, booted
from tests.deploy.template import user_data
from tests.patience import HANG

REPOSITORY = Path(__file__).parents[2]
IDENTITY = "cccccccc-0000-0000-0000-000000000003"
"""The client id of the machine's user-assigned managed identity."""
PASSWORD = "the mail client's"
EMAILPROXY = ("/opt/emailproxy/bin/emailproxy", "--config-file", "/etc/emailproxy/emailproxy.config")
STORE = f"azure:mailvault?identity={IDENTITY}"
INSTALL_SECONDS = 300

CONFIG = f"""\
# A person's mailbox, and one that a printer uses in the application's name. No secret is in here.
[IMAP-143]
provider = office365
local_starttls = True
local_certificate_path = /run/credentials/emailproxy.service/secret_tls.pem

[SMTP-1587]
provider = office365
local_address = 127.0.0.1

[{PERSON}]
provider = office365
client_id = {PUBLIC_CLIENT}

[{SHARED}]
provider = office365
oauth2_flow = client_credentials
client_id = {APPLICATION}
client_assertion = managed-identity:{IDENTITY}

[emailproxy]
seal_key = azure:mailvault/secrets/{SEAL_KEY}?identity={IDENTITY}
"""


class Cloud:
    """The running cloud, and mail clients in its network."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self.authority = folder / "ca.pem"
        self.certificate = folder / "server.pem"
        self.key = folder / "server.key"

    @property
    def network(self) -> Path:
        return Path(f"/proc/{self._process.pid}/ns/net")

    def state(self, **order: object) -> dict[str, object]:
        """Carry out the order, if any, and say how it is."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        state: dict[str, object] = json.loads(self._process.stdout.readline())
        return state

    def command(self, *arguments: str) -> list[str]:
        """curl in this network, trusting its authority, knowing its names."""
        names = [word for name, address in ADDRESSES.items() for word in ("--resolve", f"{name}:443:{address}")]
        curl = ["curl", "--silent", "--show-error", "--cacert", str(self.authority), *names, *arguments]
        return ["nsenter", f"--net={self.network}", "--", *curl]

    def curl(self, *arguments: str) -> str:
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"curl ended with {done.returncode}: {done.stderr}"
        return done.stdout


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    folder = tmp_path / "cloud"
    folder.mkdir()
    process = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-m", "tests.deploy.cloud", str(folder)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        if process.stdout.readline() != "ready\n":
            cannot("a network namespace with Azure's addresses cannot be made here")
        yield Cloud(process, folder)
    finally:
        process.stdin.close()
        process.wait(HANG)
        process.stdout.close()


@contextlib.contextmanager
def replaceable(cloud: Cloud, folder: Path) -> Generator[Machine]:
    """A new machine with the same user data as any other, ready to serve."""
    folder.mkdir()
    (folder / "tls.pem").write_bytes(cloud.certificate.read_bytes() + cloud.key.read_bytes())
    trusted = "/etc/ssl/certs/ca-certificates.crt"
    variables = " ".join(f"{name}={trusted}" for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
    files: dict[str, str | Path] = {
        "/etc/hosts": hosts_file(),
        trusted: cloud.authority,
        "/srv/wheels": tool("EMAILPROXY_WHEELS"),
        "/etc/pip.conf": "[global]\nno-index = true\nfind-links = /srv/wheels\n",
        "/etc/systemd/system/emailproxy.service.d/authority.conf": f"[Service]\nEnvironment={variables}\n",
        "/etc/emailproxy/secrets/tls.pem": folder / "tls.pem",
    }
    with booted(folder, namespace=cloud.network, user_data=_user_data(), files=files) as machine:
        # Not `cloud-init status --wait`: it is the same file, and this one tells what is missing.
        machine.await_command("test", "-e", "/var/lib/cloud/instance/boot-finished", seconds=INSTALL_SECONDS)
        assert "status: done" in machine.run("cloud-init", "status", "--long", check=False), machine.story()
        assert machine.succeeds("systemctl", "is-active", "emailproxy.service"), machine.story()
        yield machine


def _user_data() -> str:
    """The same for every machine."""
    [wheel] = tool("EMAILPROXY_WHEELS").glob("emailproxy_cloud-*.whl")
    return user_data(
        config=CONFIG,
        cache_store=STORE,
        extras=["azure", "console"],
        package=f"file:///srv/wheels/{wheel.name}",
        ports=[143, 1587],
    )


def inbox(cloud: Cloud, account: str, password: str) -> str:
    """What a mail client sees of the account's inbox."""
    return cloud.curl(*login(account, password))


def login(account: str, password: str) -> list[str]:
    """curl's arguments for that."""
    status = ["--request", "STATUS INBOX (MESSAGES)"]
    return ["--ssl-reqd", "--user", f"{account}:{password}", "imap://localhost/", *status]


def _send(cloud: Cloud, password: str, folder: Path) -> None:
    """A mail of the printer's, through the port that the service opened itself."""
    letter = folder / "letter"
    letter.write_text(f"From: {SHARED}\r\nTo: {PERSON}\r\nSubject: scanned\r\n\r\nA page.\r\n")
    route = ["--mail-from", SHARED, "--mail-rcpt", PERSON, "--upload-file", str(letter)]
    cloud.curl("--user", f"{SHARED}:{password}", "smtp://localhost:1587/printer", *route)


def _look_at_the_service(machine: Machine) -> None:
    """It is confined as the unit says, reloads, and an administrator's command finds what it says of itself."""
    process = machine.run("systemctl", "show", "--property=MainPID", "--value", "emailproxy.service").strip()
    status = dict(line.split(":\t", 1) for line in machine.run("cat", f"/proc/{process}/status").splitlines())
    assert int(status["Uid"].split()[0]) >= 61184  # DynamicUser= takes from 61184 to 65519
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert "ready          yes" in machine.run(*EMAILPROXY, "cache", "status")
    # The console is there, and a command of the administrator's finds the token that the service made for itself.
    machine.run(*EMAILPROXY, "sessions")
    assert machine.run("stat", "--format=%a", "/run/emailproxy/emailproxy.config.console-token").strip() == "600"
    machine.run("systemctl", "reload", "emailproxy.service")
    machine.await_journal("reloaded", seconds=60)
    assert machine.run("systemctl", "show", "--property=NRestarts", "--value", "emailproxy.service").strip() == "0"


def test_a_machine_is_made_by_its_user_data_and_replaced_by_another(cloud: Cloud, tmp_path: Path) -> None:
    cloud.state(secrets={SEAL_KEY: new_key_text()})

    with replaceable(cloud, tmp_path / "first") as machine:
        # A person's account: the first login waits until she has consented.
        client = subprocess.Popen(
            cloud.command(*login(PERSON, PASSWORD)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        text = machine.await_journal("needs authorisation", seconds=120)
        [address] = re.findall(rf"{PERSON} needs authorisation: .*?(https://\S+)", text)
        cloud.curl("--location", address)
        answer, _ = client.communicate(timeout=HANG)
        assert client.returncode == 0, answer
        assert "* STATUS" in answer

        # The printer's: the administrator gives it a password, in the store and not on the machine.
        trust = ["env", "REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt"]
        app_password = machine.run(*trust, *EMAILPROXY, "--cache-store", STORE, "passwords", "add", SHARED).strip()
        assert "* STATUS" in inbox(cloud, SHARED, app_password)

        _send(cloud, app_password, tmp_path)
        assert cloud.state()["sent"] == 1

        assert cloud.curl("--fail", "http://localhost:8025/readyz")
        _look_at_the_service(machine)

        # An update: the same command as at the first boot.
        [install] = yaml.safe_load(_user_data())["runcmd"]
        machine.run(*install)
        assert "* STATUS" in inbox(cloud, PERSON, PASSWORD)
        assert cloud.state()["authorizations"] == 1
        machine.lose()

    with replaceable(cloud, tmp_path / "second") as machine:
        assert "* STATUS" in inbox(cloud, PERSON, PASSWORD)
        assert "* STATUS" in inbox(cloud, SHARED, app_password)
        after = cloud.state()
        assert "needs authorisation" not in machine.journal()
        # Only what the machine's identity opened: no authorisation, no secret of an application.
        assert after["authorizations"] == 1
        # Access tokens are in no store: after the update and on the new machine, her refresh token gets another one.
        assert after["token_requests"] == {"authorization_code": 1, "refresh_token": 2, "client_credentials": 2}
        assert after["exchanges"] == [APPLICATION] * 2
        assert after["identities"] == [IDENTITY] * len(cast("list[str]", after["identities"]))
