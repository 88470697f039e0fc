"""The whole program: its client secret and its TLS key are in a vault, the secret is rotated, and no login fails."""

from __future__ import annotations

import os
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from imaplib import IMAP4_SSL
from pathlib import Path
from typing import TypeVar

import pytest
import trio
import trustme

from emailproxy.testing.provider import CLIENT_ID, USER, Provider, ProviderOptions, open_provider
from tests.e2e.processes import Process, free_ports
from tests.stores.conftest import cannot

try:
    import azure.keyvault.secrets  # noqa: F401 - to tell a missing SDK from a failing proxy
except ImportError as error:
    cannot(f"the Azure SDK is not installed ({error})")

from tests.stores.azure_opened import refusing, vault
from tests.stores.azure_vault import FakeVault, _Version, forbidden

__all__ = ["vault"]

FIRST, SECOND = "first-s3cret-of-the-application", "second-s3cret-of-the-application"
T = TypeVar("T")

PASSWORD = "the-mail-p4ssword"

CONFIG = """\
[emailproxy]
console_listen = off

[IMAP-{port}]
local_address = 127.0.0.1
local_certificate_path = azure:office/secrets/certificate{query}
local_key_path = azure:office/secrets/key{query}
server_address = env:E2E_MAIL_SERVER
server_port = {server_port}

[{user}]
oauth2_flow = client_credentials
token_url = {token_url}
oauth2_scope = mail
client_id = {client_id}
client_secret = azure:office/secrets/mail-app{query}
"""


@pytest.fixture
def authority(vault: FakeVault, tmp_path: Path) -> trustme.CA:
    """Who issued the certificate that is in the vault."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems).decode()
    vault.secrets["certificate"] = [_Version("1" * 32, chain, {})]
    vault.secrets["key"] = [_Version("1" * 32, issued.private_key_pem.bytes().decode(), {})]
    vault.secrets["mail-app"] = [_Version("1" * 32, FIRST, {})]
    return authority


@pytest.fixture
def start(vault: FakeVault, tmp_path: Path) -> Iterator[Callable[..., tuple[Process, int]]]:
    running: list[Process] = []

    def start(provider: Provider) -> tuple[Process, int]:
        [port] = free_ports(1)
        path = tmp_path / "emailproxy.config"
        path.write_text(
            CONFIG.format(
                port=port,
                query=f"?endpoint={vault.url}&ca={tmp_path / 'ca.pem'}",
                server_port=provider.imap_port,
                user=USER,
                token_url=provider.token_url,
                client_id=CLIENT_ID,
            )
        )
        environment = os.environ | {"SSL_CERT_FILE": str(provider.ca_path), "E2E_MAIL_SERVER": provider.host}
        command = [sys.executable, "-m", "emailproxy", "--debug", "--config-file", str(path)]
        running.append(Process("emailproxy", command, tmp_path / "log", environment))
        return running[-1], port

    yield start
    for process in running:
        process.stop()


def log_in(authority: trustme.CA, port: int) -> str:
    """One session; what the server said."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with IMAP4_SSL("localhost", port, ssl_context=context) as client:
        return str(client.login(USER, PASSWORD)[0])


def wait_for(process: Process, log: Path, words: str) -> None:
    end = time.monotonic() + 60
    while words not in log.read_text():
        assert process.alive, process.tail()
        assert time.monotonic() < end, process.tail()
        time.sleep(0.05)


async def in_thread(work: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(work)


async def test_logins_go_on_while_the_client_secret_is_rotated(
    vault: FakeVault, authority: trustme.CA, start: Callable[..., tuple[Process, int]], tmp_path: Path
) -> None:
    clients: dict[str, str | None] = {CLIENT_ID: FIRST}
    log = tmp_path / "log"
    async with open_provider(ProviderOptions(clients=clients)) as provider:
        provider.switches.expires_in = 5  # each login needs a new token, and no old one is good enough
        process, port = await in_thread(partial(start, provider))
        await in_thread(partial(wait_for, process, log, "listening on"))
        for _ in range(3):
            assert await in_thread(partial(log_in, authority, port)) == "OK"
        before = vault.requests["GET secrets"]
        vault.secrets["mail-app"].append(_Version("2" * 32, SECOND, {}))
        clients[CLIENT_ID] = SECOND
        for _ in range(3):
            assert await in_thread(partial(log_in, authority, port)) == "OK"
        assert vault.requests["GET secrets"] == before + 1, "one more read, for all logins"
        # With the vault shut, what was read last goes on.
        vault.trouble = refusing("GET", forbidden())
        assert await in_thread(partial(log_in, authority, port)) == "OK"
        await in_thread(process.stop)
    assert before == 3, "certificate, key and client secret, once each"
    told = log.read_text()
    assert "the value was refused, and there is a new one" in told
    key = vault.secrets["key"][0].value.splitlines()[1]
    for secret in (FIRST, SECOND, PASSWORD, key, "PRIVATE KEY"):
        assert secret not in told
        assert secret not in (tmp_path / "emailproxy.config").read_text()
