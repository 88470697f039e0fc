"""Where do the tests of blob leases find a storage account? Azurite, over TLS, with tokens instead of keys.

Known deviations: Azurite (3.35) looks at a token's audience, issuer and times but not at its signature, and knows no
roles, so a storage account's refusals are not tested on it; it follows new API versions late, so it is told to skip the
check.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.e2e.processes import free_ports
from tests.patience import HANG
from tests.stores.azure_vault import jwt
from tests.stores.conftest import cannot

START_SECONDS = HANG
ACCOUNT = "devstoreaccount1"


@dataclass(frozen=True)
class Azurite:
    """A running Azurite."""

    url: str
    ca: Path

    def new_container(self) -> str:
        """The URL of a new, empty container."""
        from azure.core.credentials import AccessToken
        from azure.storage.blob import ContainerClient

        class Credential:
            def get_token(self, *_: str, **__: object) -> AccessToken:
                return AccessToken(jwt("https://storage.azure.com"), int(time.time()) + 3600)

        container = f"{self.url}/{ACCOUNT}/leases-{uuid.uuid4().hex[:12]}"
        with ContainerClient.from_container_url(
            container,
            credential=Credential(),
            connection_verify=str(self.ca),
        ) as client:
            client.create_container()
        return container


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One Azurite for all tests."""
    with running_azurite(tmp_path_factory.mktemp("azurite")) as found:
        yield found


@contextmanager
def running_azurite(folder: Path) -> Iterator[Azurite]:
    """An Azurite with its certificate and log in `folder`, its content in memory."""
    program = os.environ.get("EMAILPROXY_AZURITE") or shutil.which("azurite-blob")
    if program is None:
        cannot("azurite-blob is not installed (npm install azurite; EMAILPROXY_AZURITE names the program)")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    [port] = free_ports(1)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
                *("--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem"), "--oauth", "basic"),
                *("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"),
            ],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(process, port, folder / "log")
        yield Azurite(f"https://127.0.0.1:{port}", folder / "ca.pem")
    finally:
        process.terminate()
        process.wait(HANG)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"Azurite did not start: {log.read_text()}")
