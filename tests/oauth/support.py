"""What the tests of this folder share: a provider without network, a store in memory, a broker around both."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
import trio

from emailproxy.assertions.issuers import Issuers
from emailproxy.config.model import Account, Settings
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.consent import Consents, Pending
from emailproxy.oauth.sealing import Iterations, derive_key
from emailproxy.oauth.tokens import TokenBroker, open_broker
from emailproxy.references.sources import Sources
from emailproxy.secret import Secret
from emailproxy.store.base import Record, StoreConflictError, Stored, StoreError, Version

EPOCH = 1_700_000_000
FEW = Iterations(current=20, legacy=10)
SALT = b"0123456789abcdef"
SALT_TEXT = "MDEyMzQ1Njc4OWFiY2RlZg=="

ACCOUNT = Account(
    name="ada@example.com",
    section="ada@example.com",
    oauth2_flow="authorization_code",
    token_url="https://provider.test/token",
    permission_url="https://provider.test/authorize",
    redirect_uri="http://localhost:8080/done",
    oauth2_scope="mail offline_access",
    client_id="the-client",
    client_secret=Secret("the-client-secret"),
)
PASSWORD = Secret("correct horse")
WRONG = Secret("battery staple")


def unattended(flow: str, **changes: Any) -> Account:
    """The account with a flow that needs no person."""
    return replace(ACCOUNT, oauth2_flow=flow, permission_url=None, redirect_uri=None, **changes)


def now() -> float:
    return EPOCH + trio.current_time()


def sealed_record(
    *,
    password: Secret = PASSWORD,
    access: str | None = "old-access",
    refresh: str | None = "old-refresh",
    expires_in: float = -1,
    iterations: int = FEW.current,
    salt: bytes = SALT,
    **changes: Any,
) -> Record:
    key = derive_key(password, salt, iterations)
    return replace(
        Record(
            token_salt=key.salt_text,
            token_iterations=iterations,
            access_token=key.seal(Secret(access)) if access else None,
            access_token_expiry=int(EPOCH + expires_in) if access else None,
            refresh_token=key.seal(Secret(refresh)) if refresh else None,
        ),
        **changes,
    )


def unseal(record: Record, name: str, password: Secret = PASSWORD) -> str | None:
    assert record.token_salt is not None
    key = derive_key(password, __import__("base64").b64decode(record.token_salt), record.token_iterations or 10)
    sealed = getattr(record, name)
    value = key.open(sealed) if sealed else None
    return value.reveal() if value else None


class MemoryRecords:
    """A store in memory that never blocks; keeps the promises of `emailproxy.store.cached.CachedStore`."""

    def __init__(self, journal: list[str] | None = None) -> None:
        self.stored: dict[str, Stored] = {}
        self.journal = journal if journal is not None else []
        self.load_errors: list[StoreError] = []
        self.save_errors: list[StoreError] = []
        self.before_save: Callable[[], Awaitable[None]] | None = None
        self.bills_writes = False
        self._count = 0

    def put(self, record: Record, account: str = ACCOUNT.name) -> Version:
        """Write as another process would."""
        self._count += 1
        self.stored[account] = Stored(record, Version(f"v{self._count}"))
        return self.stored[account].version

    @property
    def record(self) -> Record:
        return self.stored[ACCOUNT.name].record

    async def load(self, account: str) -> Stored | None:
        return await self._load("load", account)

    async def load_fresh(self, account: str) -> Stored | None:
        return await self._load("load_fresh", account)

    async def _load(self, what: str, account: str) -> Stored | None:
        await trio.lowlevel.checkpoint()
        self.journal.append(what)
        if self.load_errors:
            raise self.load_errors.pop(0)
        return self.stored.get(account)

    async def save(self, account: str, record: Record, expected: Version | None) -> Version:
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()
            if self.before_save is not None:
                await self.before_save()
        if self.save_errors:
            self.journal.append("save failed")
            raise self.save_errors.pop(0)
        stored = self.stored.get(account)
        if (stored.version if stored else None) != expected:
            self.journal.append("conflict")
            raise StoreConflictError("changed")
        self.journal.append("save")
        return self.put(record, account)


Answer = httpx2.Response | Exception | Callable[[dict[str, str]], Awaitable[httpx2.Response]]


def grant(access: str = "new-access", refresh: str | None = None, expires_in: object = 3600) -> httpx2.Response:
    fields: dict[str, object] = {"access_token": access, "token_type": "Bearer", "expires_in": expires_in}
    if refresh is not None:
        fields["refresh_token"] = refresh
    return httpx2.Response(200, json=fields)


def refusal(code: str = "invalid_grant", status: int = 400, **fields: object) -> httpx2.Response:
    return httpx2.Response(status, json={"error": code, **fields})


class Provider(httpx2.AsyncBaseTransport):
    """A token endpoint in memory: gives the answers it was told, one by one, and counts."""

    def __init__(self, *answers: Answer, journal: list[str] | None = None) -> None:
        self.answers: list[Answer] = list(answers)
        self.requests: list[dict[str, str]] = []
        self.heads: list[httpx2.Headers] = []
        self.journal = journal if journal is not None else []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        form = dict(parse_qsl((await request.aread()).decode(), keep_blank_values=True))
        self.requests.append(form)
        self.heads.append(request.headers)
        self.journal.append(f"token request {form.get('grant_type')}")
        await trio.lowlevel.checkpoint()
        assert self.answers, f"an unexpected token request: {json.dumps(form)}"
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx2.Response) else await answer(form)


@dataclass
class World:
    """A broker and what surrounds it."""

    broker: TokenBroker
    provider: Provider
    records: MemoryRecords
    consents: Consents
    journal: list[str]
    settings: Settings
    announced: list[Pending] = field(default_factory=list)

    async def somebody_is_asked(self, times: int = 1) -> None:
        """Wait until so many authorisations wait for a person; a minute of the test's clock is more than it takes."""
        with trio.fail_after(60):
            while len(self.consents.pending()) < times:
                await trio.sleep(0.01)

    async def person(self, *, code: str = "the-code", number: int = -1, confirmed: bool = False) -> Any:
        """Somebody signs in at the address that was announced last and is sent back."""
        await self.somebody_is_asked()
        pending = self.consents.pending()[number]
        return await self.consents.complete(redirect(pending, code=code), confirmed=confirmed)


def redirect(pending: Pending, *, code: str = "the-code") -> str:
    return f"{pending.account.redirect_uri}?code={code}&state={query_of(pending.url)['state']}"


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


@asynccontextmanager
async def world(
    *answers: Answer,
    record: Record | None = None,
    settings: Settings | None = None,
    flows: Any = None,
    sources: Sources | None = None,
    issuers: Issuers | None = None,
) -> AsyncIterator[World]:
    journal: list[str] = []
    provider = Provider(*answers, journal=journal)
    records = MemoryRecords(journal)
    if record is not None:
        records.put(record)
    announced: list[Pending] = []
    consents = Consents(announced.append)
    in_force = settings or Settings()
    more = {"flows": flows} if flows is not None else {}
    async with open_broker(
        records=records,
        consents=consents,
        settings=lambda: in_force,
        transport=provider,
        iterations=FEW,
        now=now,
        sources=sources,
        issuers=issuers,
        **more,
    ) as broker:
        yield World(broker, provider, records, consents, journal, in_force, announced)


DOWN = httpx2.Response(503)
KEEP = Settings(delete_account_token_on_password_error=False)


async def token(w: World, password: Secret = PASSWORD, account: Account = ACCOUNT, **more: Any) -> str:
    return (await w.broker.token(account, password, **more)).value.reveal()


async def failure(w: World, password: Secret = PASSWORD, account: Account = ACCOUNT, **more: Any) -> LoginFailed:
    with pytest.raises(LoginFailed) as caught:
        await w.broker.token(account, password, **more)
    told = caught.value.failure
    assert told.text.isascii()
    assert told.detail.isprintable()
    for secret in ("the-client-secret", PASSWORD.reveal(), WRONG.reveal(), "old-refresh", "old-access"):
        assert secret not in told.detail
    return caught.value


async def kind(w: World, password: Secret = PASSWORD, account: Account = ACCOUNT, **more: Any) -> FailureKind:
    return (await failure(w, password, account, **more)).failure.kind


async def logins(w: World, nursery: trio.Nursery, count: int, password: Secret = PASSWORD) -> list[str]:
    """Start logins; what they get appears in the list."""
    got: list[str] = []

    async def one() -> None:
        got.append(await token(w, password))

    for _ in range(count):
        nursery.start_soon(one)
    await w.somebody_is_asked()
    return got
