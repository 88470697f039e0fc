"""A real proxy with its real console, in a thread, for commands that are typed in this one."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
import trio

from emailproxy.app import Options, Proxy
from emailproxy.config import load
from emailproxy.testing.provider import CLIENT_ID, CLIENT_SECRET, USER, Provider, open_provider
from tests.patience import HANG, eventually
from tests.ports import reserve
from tests.test_app import Client

from .support import SECRETS, run

__all__ = ["PASSWORD", "UNATTENDED", "USER", "Running", "running_proxy", "sign_in"]

T = TypeVar("T")

PASSWORD = "the mail password of a device"
UNATTENDED = {"oauth2_flow": "client_credentials", "permission_url": "", "redirect_uri": ""}
"""An account that needs nobody."""
SECRETS |= {PASSWORD, CLIENT_SECRET}


@dataclass
class Running:
    """One proxy."""

    proxy: Proxy
    provider: Provider
    path: Path
    port: int
    console: int
    redirects: int
    token: trio.lowlevel.TrioToken
    over: threading.Event
    clients: list[Client] = field(default_factory=list)

    def call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Run `function` in the proxy's thread."""
        return trio.from_thread.run(function, *arguments, trio_token=self.token)

    def login(self, password: str = PASSWORD) -> str:
        """The answer of an IMAP login, whose session stays open."""

        async def log_in() -> str:
            client = await Client.connect(self.port)
            self.clients.append(client)
            return await client.command(f'a LOGIN {USER} "{password}"')

        return self.call(log_in)

    def typed(self, *arguments: str | Path, answers: str | None = None) -> tuple[int, str, str]:
        """Exit status, stdout and stderr of a command; no secret is in them."""
        return run("--config-file", self.path, *arguments, typed=answers)

    def leave(self) -> None:
        """Close all sessions, and wait until the proxy has noticed."""

        async def close() -> None:
            for client in self.clients:
                await client.stream.aclose()
            self.clients.clear()
            await eventually(lambda: not self.proxy.sessions)

        self.call(close)


def configuration(
    provider: Provider, port: int, console: str, redirects: int, settings: str, account: dict[str, str]
) -> str:
    options = {
        "oauth2_flow": "authorization_code",
        "permission_url": provider.authorization_url,
        "redirect_uri": f"http://localhost:{redirects}/",
        "token_url": provider.token_url,
        "oauth2_scope": "mail",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    } | account
    return (
        f"[emailproxy]\nconsole_listen = {console}\ndrain = 20\n{settings}\n"
        f"[IMAP-{port}]\nlocal_address = 127.0.0.1\nserver_address = localhost\nserver_port = {provider.imap_port}\n\n"
        f"[{USER}]\n" + "".join(f"{name} = {value}\n" for name, value in options.items() if value)
    )


@contextmanager
def running_proxy(
    folder: Path, *, console: str = "127.0.0.1:{port}", settings: str = "", **account: str
) -> Iterator[Running]:
    """A proxy until the end of the context, or until a command ends it."""
    with ExitStack() as held:
        yield from _running(folder, console, settings, (reserve(held), reserve(held), reserve(held)), account)


def _running(
    folder: Path, console: str, settings: str, ports: tuple[int, int, int], account: dict[str, str]
) -> Iterator[Running]:
    ready, over = threading.Event(), threading.Event()
    made: list[Running] = []

    async def serve(provider: Provider) -> None:
        path = folder / "emailproxy.config"
        place = console.format(port=ports[1], folder=folder)
        path.write_text(configuration(provider, ports[0], place, ports[2], settings, account))
        async with trio.open_nursery() as nursery:
            proxy = Proxy(load(path), Options(local_server_auth=True))
            await nursery.start(proxy.run)
            token = trio.lowlevel.current_trio_token()
            made.append(Running(proxy, provider, path, *ports, token, over))
            ready.set()

    async def run() -> None:
        async with open_provider() as provider:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SSL_CERT_FILE", str(provider.ca_path))
                await serve(provider)
        over.set()

    thread = threading.Thread(target=trio.run, args=(run,), name="proxy")
    thread.start()
    try:
        assert ready.wait(HANG)
        yield made[0]
        with suppress(trio.RunFinishedError):  # a command has ended it
            made[0].leave()
    finally:
        with suppress(trio.RunFinishedError):
            for _ in range(2 if made else 0):
                made[0].token.run_sync_soon(made[0].proxy.stop)
        thread.join(HANG)
        for client in made[0].clients if made else ():  # of a proxy that a command has ended
            client.stream.socket._sock.close()  # type: ignore[attr-defined]
    assert not thread.is_alive()


async def sign_in(url: str) -> int:
    """Be the browser of somebody who consents: the status of the last page."""
    async with httpx2.AsyncClient(follow_redirects=True, trust_env=False, timeout=HANG) as browser:
        return (await browser.get(url)).status_code
