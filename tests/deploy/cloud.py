"""Which cloud does the machine under test see? One on loopback, behind the real names, ports and addresses.

Run as ``unshare --net python -m tests.deploy.cloud FOLDER``: in a network of its own it can have Azure's metadata
address (169.254.169.254:80), a Key Vault and Entra on port 443, and Exchange Online on 993 and 587, so that the machine
needs no configuration but the one that it would have in the cloud. Each line on standard input is answered by the state
as one line of JSON; its end ends the cloud.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trio

from emailproxy.testing.provider import PROFILES, Provider, ProviderOptions, serve_provider
from tests.deploy.entra import EntraHandler
from tests.stores.azure_vault import FakeVault, TokenHandler, VaultHandler

__all__ = ["ADDRESSES", "APPLICATION", "PERSON", "PUBLIC_CLIENT", "SEAL_KEY", "SHARED", "hosts_file"]

METADATA = "169.254.169.254"
ADDRESSES = {
    "mailvault.vault.azure.net": "192.0.2.10",
    "login.microsoftonline.com": "192.0.2.11",
    "outlook.office365.com": "192.0.2.12",
    "smtp.office365.com": "192.0.2.13",
}
"""RFC 5737: addresses that belong to nobody."""
PERSON = "ada@example.com"
SHARED = "printer@example.com"
APPLICATION = "aaaaaaaa-0000-0000-0000-000000000001"
PUBLIC_CLIENT = "aaaaaaaa-0000-0000-0000-000000000002"
SEAL_KEY = "mail-seal"
"""The secret of the vault that holds the service key, put there by the administrator."""


def hosts_file() -> str:
    """``/etc/hosts`` of the machine."""
    lines = ["127.0.0.1 localhost mail", *(f"{address} {name}" for name, address in ADDRESSES.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Serve until standard input ends."""
    _bring_up()
    trio.run(_serve, Path(sys.argv[1]))


def _bring_up() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (METADATA, *ADDRESSES.values()):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)


async def _serve(folder: Path) -> None:
    options = ProviderOptions(
        profile=PROFILES["office365"],
        users={PERSON: "unused", SHARED: "unused"},
        clients={APPLICATION: "known to this test alone", PUBLIC_CLIENT: None},
        names=tuple(ADDRESSES),
    )
    vault = FakeVault(url="https://mailvault.vault.azure.net", tokens_url=f"http://{METADATA}")
    async with trio.open_nursery() as nursery:
        provider = await nursery.start(partial(serve_provider, folder, options))
        entra = type(
            "Entra",
            (EntraHandler,),
            {
                "provider_port": provider.oauth_port,
                "federated": {APPLICATION: "known to this test alone"},
                "exchanges": [],
            },
        )
        tls = provider.certificates.context
        with (
            _http((METADATA, 80), type("Imds", (TokenHandler,), {"vault": vault}), None),
            _http((ADDRESSES["mailvault.vault.azure.net"], 443), type("Vault", (VaultHandler,), {"vault": vault}), tls),
            _http((ADDRESSES["login.microsoftonline.com"], 443), entra, tls),
        ):
            for name, port, target in (
                ("outlook.office365.com", 993, provider.imap_port),
                ("smtp.office365.com", 587, provider.smtp_starttls_port),
            ):
                await nursery.start(partial(trio.serve_tcp, partial(_relay, target), port, host=ADDRESSES[name]))
            print("ready", flush=True)
            lines = trio.wrap_file(sys.stdin)
            async for line in lines:
                order = json.loads(line)
                for name, value in order.get("secrets", {}).items():
                    vault.answer("PUT", f"/secrets/{name}", "", {"value": value})
                print(json.dumps(_state(vault, provider, entra)), flush=True)
        nursery.cancel_scope.cancel()


def _state(vault: FakeVault, provider: Provider, entra: type[EntraHandler]) -> dict[str, object]:
    return {
        "authorizations": provider.counters.authorizations,
        "token_requests": dict(provider.counters.token_requests),
        "exchanges": entra.exchanges,
        "identities": [query.get("client_id", [""])[0] for query in vault.token_queries],
        "secrets": {name: versions[-1].value for name, versions in vault.secrets.items()},
        "sent": len(provider.outbox.messages),
    }


@contextlib.contextmanager
def _http(
    address: tuple[str, int], handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None
) -> Iterator[None]:
    server = ThreadingHTTPServer(address, handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def _relay(port: int, client: trio.SocketStream) -> None:
    """Octets both ways between the client and this port of the simulated provider."""

    with contextlib.suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        server = await trio.open_tcp_stream("127.0.0.1", port)
        async with client, server, trio.open_nursery() as nursery:
            nursery.start_soon(_copy, client, server)
            await _copy(server, client)
            nursery.cancel_scope.cancel()


async def _copy(source: trio.SocketStream, target: trio.SocketStream) -> None:
    with contextlib.suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        async for octets in source:
            await target.send_all(octets)
        await target.send_eof()


if __name__ == "__main__":
    main()
