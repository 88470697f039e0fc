"""Several brokers on one store, and a provider that counts what becomes of refresh tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import trio

from emailproxy.config.model import Account, RefreshTokens, Settings
from emailproxy.failures import LoginFailed
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.tokens import TokenBroker, open_broker
from emailproxy.oauth.turns import TurnTimes
from emailproxy.store.base import Record, Stored, StoreUnavailableError, Version
from emailproxy.store.cached import CachedStore
from emailproxy.store.document import lasting
from emailproxy.testing.memory_store import MemoryStore

from .support import ACCOUNT, FEW, PASSWORD, SALT, grant, now, refusal, sealed_record

__all__ = ["Replica", "RotatingProvider", "SecretManager", "account", "first_record", "replica"]

ISSUED = 1_699_999_000


def account(kind: RefreshTokens) -> Account:
    return replace(ACCOUNT, refresh_tokens=kind)


def first_record(**changes: Any) -> Record:
    """An account that was authorised long ago; the provider knows its refresh token as ``rt-0``."""
    return sealed_record(access=None, refresh="rt-0", salt=SALT, refresh_token_issued=ISSUED, **changes)


class SecretManager(MemoryStore):
    """Keeps no access tokens, as the secret managers."""

    bills_writes = True

    def save(self, account: str, record: Record, expected: Version | None) -> Version:
        return super().save(account, lasting(record), expected)


class RotatingProvider(httpx2.AsyncBaseTransport):
    """A token endpoint that knows which refresh token is alive."""

    def __init__(self, kind: RefreshTokens, *, seconds: Callable[[], float] = lambda: 0.5, expires_in: int = 1) -> None:
        self.kind = kind
        self.seconds = seconds
        self.expires_in = expires_in
        self.count = 0
        self.replays = 0
        self.revoked = False
        self.rotates = True
        self.used: list[str] = []
        self.dead: set[str] = set()
        self.fails: list[httpx2.Response] = []

    @property
    def live(self) -> str:
        return f"rt-{self.count}"

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        form = dict(parse_qsl((await request.aread()).decode()))
        await trio.sleep(self.seconds() / 2)
        answer = self._answer(form["refresh_token"])
        await trio.sleep(self.seconds() / 2)
        return answer

    def _answer(self, token: str) -> httpx2.Response:
        self.used.append(token)
        if self.fails:
            return self.fails.pop(0)
        if token in self.dead:
            return refusal("invalid_grant")
        if token != self.live and self.kind is not RefreshTokens.REUSABLE:
            self.replays += 1
            self.revoked |= self.kind is RefreshTokens.SINGLE_USE
        if self.revoked or (token != self.live and self.kind is RefreshTokens.ROTATING):
            return refusal("invalid_grant")
        self.count += 1
        return grant(f"at-{self.count}", self.live if self.rotates else None, self.expires_in)


class SlowRecords:
    """A replica's way to the store: every call takes time, and none arrives any more once the replica is dead."""

    def __init__(self, cached: CachedStore, seconds: Callable[[], float]) -> None:
        self._cached = cached
        self._seconds = seconds
        self.dead = False

    @property
    def bills_writes(self) -> bool:
        return self._cached.bills_writes

    async def load(self, account: str) -> Stored | None:
        await self._travel()
        return await self._cached.load(account)

    async def load_fresh(self, account: str) -> Stored | None:
        await self._travel()
        stored = await self._cached.load_fresh(account)
        await self._travel()
        return stored

    async def save(self, account: str, record: Record, expected: Version | None) -> Version:
        with trio.CancelScope(shield=True):
            await self._travel()
            version = await self._cached.save(account, record, expected)
            await self._travel()
            return version
        raise AssertionError

    async def _travel(self) -> None:
        await trio.sleep(self._seconds())
        if self.dead:
            raise StoreUnavailableError("this replica is dead")


class _MortalTransport(httpx2.AsyncBaseTransport):
    def __init__(self, provider: httpx2.AsyncBaseTransport, records: SlowRecords) -> None:
        self._provider = provider
        self._records = records

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._records.dead:
            raise httpx2.ConnectError("this replica is dead")
        return await self._provider.handle_async_request(request)


@dataclass
class Replica:
    broker: TokenBroker
    store: MemoryStore
    records: SlowRecords
    account: Account
    consents: Consents

    async def token(self) -> str:
        return (await self.broker.token(self.account, PASSWORD)).value.reveal()

    async def tries(self) -> str:
        """A token, or why there is none."""
        try:
            return await self.token()
        except LoginFailed as error:
            return f"{error.failure.kind.name}: {error.failure.detail}"

    def die(self) -> None:
        self.records.dead = True


@asynccontextmanager
async def replica(
    provider: RotatingProvider,
    store: MemoryStore,
    *,
    store_seconds: Callable[[], float] = lambda: 0.0,
    ahead: float = 0.0,
    slept: Callable[[], float] = lambda: 0.0,
    times: TurnTimes = TurnTimes(),  # noqa: B008 - frozen
) -> AsyncIterator[Replica]:
    """One process on `store`, whose time of day is `ahead` of the others', and further by what its machine `slept`."""
    own = type(store)(shared_with=store)
    records = SlowRecords(CachedStore(own), store_seconds)
    consents = Consents(lambda pending: None)
    async with open_broker(
        records=records,
        consents=consents,
        settings=Settings,
        transport=_MortalTransport(provider, records),
        iterations=FEW,
        now=lambda: now() + ahead + slept(),
        times=times,
    ) as broker:
        yield Replica(broker, own, records, account(provider.kind), consents)


def by_chance(random: Random, least: float, most: float) -> Callable[[], float]:
    return lambda: random.uniform(least, most)
