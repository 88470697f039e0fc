"""A console that really listens, on loopback, with a scene that tests can set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from emailproxy.config.channel import Channel, Place
from emailproxy.config.model import Account, Fault
from emailproxy.console.messages import Envelope, decode
from emailproxy.console.running import Console
from emailproxy.secret import Secret
from tests.patience import HANG

from .stage import ACCOUNT, Stage, staged

T = TypeVar("T")
TOKEN = "a-token-that-nobody-guesses"
HERE = Place("127.0.0.1", 0)
COOKIE = "emailproxy_session"


@dataclass
class Served:
    """The console, and how to reach it."""

    console: Console
    stage: Stage
    reloads: list[str] = field(default_factory=list)
    stops: int = 0

    @property
    def place(self) -> Place:
        """Where it listens."""
        return self.console.addresses[0]

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://{self.place}"

    def client(self, **headers: str) -> httpx2.AsyncClient:
        """An HTTP client."""
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=HANG)

    def holder(self) -> httpx2.AsyncClient:
        """An HTTP client with the token."""
        return self.client(authorization=f"Bearer {TOKEN}")

    async def cookie(self) -> str:
        """The cookie's value for a browser that was let in."""
        async with self.holder() as client:
            path = (await client.post("/api/enter")).json()["path"]
        async with self.client() as browser:
            return str((await browser.get(path)).cookies[COOKIE])

    def socket(self, query: str = "", **headers: str) -> AbstractAsyncContextManager[WebSocketConnection]:
        """An open WebSocket to ``/events``, with the token unless `headers` say otherwise."""
        return watching(self.place, query, **(headers or {"authorization": f"Bearer {TOKEN}"}))

    def channel(self, **changes: Any) -> None:
        """Set the options of the console; `Console.apply` is up to the caller."""
        channel = replace(self.stage.config.settings.channel, **changes)
        settings = replace(self.stage.config.settings, channel=channel)
        self.stage.config = replace(self.stage.config, settings=settings)

    async def apply(self, **changes: Any) -> None:
        """Reload with these options."""
        self.channel(**changes)
        await self.console.apply(self.stage.config)


@asynccontextmanager
async def watching(place: Place, query: str = "", **headers: str) -> AsyncIterator[WebSocketConnection]:
    """An open WebSocket to ``/events``, whose stream is closed however that ends."""
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]
    stream = await trio.open_tcp_stream(place.host, place.port)
    try:
        async with trio.open_nursery() as nursery:
            socket = await wrap_client_stream(nursery, stream, str(place), "/events" + query, extra_headers=extra)
            async with socket:
                yield socket
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:  # so that tests see what went wrong, and not where it ran
            raise group.exceptions[0] from None
        raise
    finally:
        await trio.aclose_forcefully(stream)


async def said(socket: WebSocketConnection) -> Envelope:
    """The next message."""
    with trio.fail_after(HANG):
        return decode(await socket.get_message())


async def until(socket: WebSocketConnection, kind: type[T]) -> tuple[T, Envelope]:
    """The next message of that type; others may come between (the store is looked at, say)."""
    while not isinstance((envelope := await said(socket)).message, kind):
        pass
    assert isinstance(envelope.message, kind)
    return envelope.message, envelope


@asynccontextmanager
async def served(
    folder: Path, *accounts: Account, reload: Callable[[Served], tuple[Fault, ...]] | None = None, **options: Any
) -> AsyncIterator[Served]:
    """A console; `options` are those of `Channel`."""
    async with staged(folder, *(accounts or (ACCOUNT,)), active=False) as stage, trio.open_nursery() as tasks:

        async def reload_now() -> tuple[Fault, ...]:
            one.reloads.append("begun")
            faults = reload(one) if reload is not None else ()
            await one.console.apply(stage.config)
            one.reloads.append("done")
            return faults

        def stop() -> None:
            one.stops += 1

        console = Console(stage.sight, reload_now, stop, tasks, lambda audience: None)
        stage.hub = console.hub
        one = Served(console, stage)
        given: dict[str, Any] = {"listen": HERE, "written": True, "token": Secret(TOKEN)} | options
        channel = Channel(**given)
        one.stage.config = replace(stage.config, settings=replace(stage.config.settings, channel=channel))
        await console.apply(stage.config)
        yield one
        tasks.cancel_scope.cancel()
