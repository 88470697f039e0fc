"""What does a replica do? The real broker on the real store: logins of accounts by chance, as fast as they go."""

from __future__ import annotations

import logging
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import httpx2
import trio

from emailproxy.config.model import Account, RefreshTokens, Settings
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.refusals import TokenEndpointError
from emailproxy.oauth.sealing import Iterations
from emailproxy.oauth.tokens import open_broker
from emailproxy.oauth.turns import TurnTimes
from emailproxy.secret import Secret
from emailproxy.store.cached import CachedStore
from emailproxy.store.registry import open_store
from tests.stores.simulation.ledger import Ledger, Witness

__all__ = ["FLOW", "ITERATIONS", "PASSWORD", "Part", "replicate"]

FLOW = "authorization_code"
PASSWORD = "the mail password"
ITERATIONS = Iterations(current=10, legacy=10)
"""PBKDF2 is not what is tested here."""
LOGINS = 4
"""At once in each replica: two cores have to carry all of them, and a turn must not end for want of a core."""
LOGIN_SECONDS = 1.0
"""After which a worker goes on to another account, as a mail client would give up; the broker goes on by itself."""
CONSENT_SECONDS = 1.0
"""How long an account is left alone when only a person can help."""
PAUSE = 0.05
"""Seconds before a worker goes on after a login that failed for the moment."""


@dataclass(frozen=True)
class Part:
    """What one start of a replica is told."""

    name: str
    """Of this start: it is the client id, so that the provider knows whom it gave a token to."""
    address: str
    """The store's."""
    token_url: str
    accounts: list[str]
    refresh_tokens: str
    times: tuple[int, float, float, float]
    """The broker's `TurnTimes`: seconds of a lease, for clocks that differ, for a save, for a request."""
    folder: str
    """Where its ledger and log are."""


class _Nobody:
    """A flow for accounts that need a new consent: it tells the provider, who keeps the score, and gets nothing."""

    name = FLOW
    interactive = False
    confirms_password = False
    provider_checks_password = False

    async def obtain(self, grant: Grant) -> TokenResponse:
        parameters = {"username": grant.account.name}
        return await grant.endpoint.grant(grant.account.token_url, grant.client, "password", parameters)

    def kind_of(self, error: TokenEndpointError) -> FailureKind:
        return FailureKind.WRONG_CREDENTIALS


class _Attended(httpx2.AsyncBaseTransport):
    """The way to the provider; the ledger hears of each request that was given up, whatever became of it there."""

    def __init__(self, ledger: Ledger) -> None:
        self._way = httpx2.AsyncHTTPTransport()
        self._ledger = ledger

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await trio.lowlevel.checkpoint()  # a flight that is cancelled already sends nothing
        try:
            answer = await self._way.handle_async_request(request)
            await answer.aread()
        except BaseException:
            self._ledger.write("cut", "")
            raise
        return answer

    async def aclose(self) -> None:
        await self._way.aclose()


def replicate(part: Part) -> None:
    """Be a replica until SIGTERM, or SIGKILL."""
    logging.basicConfig(
        filename=Path(part.folder) / f"{part.name}.log",
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    trio.run(_run, part)


async def _run(part: Part) -> None:
    settings = Settings()
    store = await trio.to_thread.run_sync(open_store, part.address)
    ledger = Ledger(Path(part.folder) / f"{part.name}.ledger")
    cached = CachedStore(Witness(store, ledger))
    flow = _Nobody()
    async with (
        open_broker(
            records=cached,
            consents=Consents(),
            settings=lambda: settings,
            flows={flow.name: flow},
            transport=_Attended(ledger),
            iterations=ITERATIONS,
            times=TurnTimes(*part.times),
        ) as broker,
        trio.open_nursery() as nursery,
    ):
        # Until when an account that needs a consent is left alone.
        waiting = dict.fromkeys(part.accounts, 0.0)
        password = Secret(PASSWORD)

        async def work() -> None:
            while True:
                now = trio.current_time()
                ready = [name for name, until in waiting.items() if until <= now]
                if not ready:
                    await trio.sleep(PAUSE)
                    continue
                name = random.choice(ready)
                try:
                    with trio.move_on_after(LOGIN_SECONDS):
                        await broker.token(_account(name, part), password)
                except LoginFailed as error:
                    if error.failure.kind is FailureKind.WRONG_CREDENTIALS:
                        waiting[name] = now + CONSENT_SECONDS
                    await trio.sleep(PAUSE)

        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            for _ in range(LOGINS):
                nursery.start_soon(work)
            async for _ in signals:
                break
        nursery.cancel_scope.cancel()
    await cached.aclose()


def _account(name: str, part: Part) -> Account:
    return Account(
        name=name,
        section=name,
        oauth2_flow=FLOW,
        token_url=part.token_url,
        client_id=part.name,
        permission_url="https://provider.example/authorize",
        oauth2_scope="mail",
        redirect_uri="http://localhost",
        refresh_tokens=RefreshTokens(part.refresh_tokens),
    )
