"""What the tests of requests share: a running proxy's context, made of a real broker and what is really said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx2
import trio

from emailproxy.config import Account, Config, Fault, MailProtocol, Server, Settings
from emailproxy.console.context import Context
from emailproxy.console.messages import Message, Pending, Proxy, Snapshot, Store
from emailproxy.console.refusing import Body, RequestRefusedError
from emailproxy.console.requests import Farewell, requests
from emailproxy.failures import Failure
from emailproxy.store.base import Record
from emailproxy.store.cached import CachedStore
from tests.oauth.support import ACCOUNT, World, world

SERVER = Server("IMAP-1993", MailProtocol.IMAP, 1993, "imap.example.com", 993)
STORE = Store("memory:", True, True, 1.0, None, 0, 0, 0, (), 0)


@dataclass
class LiveSession:
    """A mail session that somebody may end."""

    id: str = "0000002a"
    server: Server = SERVER
    client: str = "192.0.2.7:4711"
    opened: float = 1.0
    account: str | None = "ada@example.com"
    logged_in_at: float | None = 2.0
    octets: tuple[int, int] = (1, 2)
    ending: str = ""
    ended: list[Failure] = field(default_factory=list)

    def end(self, failure: Failure) -> None:
        self.ended.append(failure)


@dataclass
class Asked:
    """A proxy that can be asked, and what it said and did."""

    context: Context
    world: World
    said: list[Message]
    sessions: list[LiveSession]
    faults: list[Fault]
    stops: list[float]
    config: Config

    async def post(self, path: str, parts: Mapping[str, str] | None = None, **fields: Any) -> Mapping[str, Any]:
        answer = await requests(self.context)[path](parts or {}, Body(fields))
        if isinstance(answer, Farewell):
            answer.then()
            return answer.fields
        return answer

    async def refused(self, path: str, parts: Mapping[str, str] | None = None, **fields: Any) -> RequestRefusedError:
        try:
            answer = await self.post(path, parts, **fields)
        except RequestRefusedError as error:
            return error
        raise AssertionError(answer)


@asynccontextmanager
async def asked(
    *answers: httpx2.Response,
    record: Record | None = None,
    settings: Settings | None = None,
    accounts: tuple[Account, ...] = (ACCOUNT,),
    path: Path = Path("emailproxy.config"),
) -> AsyncIterator[Asked]:
    config = Config(path, (SERVER,), {account.name: account for account in accounts}, settings=settings or Settings())
    said: list[Message] = []
    sessions = [LiveSession()]
    faults: list[Fault] = []
    stops: list[float] = []
    async with world(*answers, record=record, settings=settings) as made, trio.open_nursery() as tasks:

        def snapshot() -> Snapshot:
            proxy = Proxy("0", 1, 1.0, str(path), True, bool(stops), None, ())
            pending = tuple(
                Pending(
                    f"{number:08x}", each.account.name, each.began, each.began, each.url, None, None, None, "", False
                )
                for number, each in enumerate(made.consents.pending())
            )
            return Snapshot(proxy, (), (), (), pending, STORE, (), ())

        async def reload() -> tuple[Fault, ...]:
            await trio.lowlevel.checkpoint()
            return tuple(faults)

        context = Context(
            config=lambda: config,
            sessions=lambda: sessions,
            reload=reload,
            stop=lambda: stops.append(trio.current_time()),
            broker=made.broker,
            consents=made.consents,
            records=cast("CachedStore", made.records),
            snapshot=snapshot,
            publish=said.append,
            tasks=tasks,
        )
        yield Asked(context, made, said, sessions, faults, stops, config)
        tasks.cancel_scope.cancel()
